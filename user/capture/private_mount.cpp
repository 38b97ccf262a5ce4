// SPDX-License-Identifier: Apache-2.0
#include "user/capture/private_mount.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sys/syscall.h>

#include <string>

namespace netsonde {

namespace {

// glibc 2.36 wraps these; older ones do not.
int sys_fsopen(const char* type) {
  return static_cast<int>(syscall(SYS_fsopen, type, FSOPEN_CLOEXEC));
}
int sys_fscreate(int context) {
  return static_cast<int>(syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, nullptr, nullptr, 0));
}
int sys_fsmount(int context) {
  return static_cast<int>(syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, 0));
}

}  // namespace

Result<UniqueFd> mount_privately(const char* type) {
  const std::string doing = std::string("open ") + type;
  const UniqueFd context(sys_fsopen(type));
  if (!context || sys_fscreate(context.get())) return Error::from_errno(doing);
  const UniqueFd mount(sys_fsmount(context.get()));
  if (!mount) return Error::from_errno(doing);
  // File handles can be opened only through an ordinary descriptor.
  UniqueFd root(openat(mount.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!root) return Error::from_errno(doing);
  return root;
}

}  // namespace netsonde
