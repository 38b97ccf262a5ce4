// SPDX-License-Identifier: Apache-2.0
#include "user/capture/socket_options.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "socket_options.skel.h"

namespace netsonde {

namespace {

constexpr std::size_t kPortion = 512;  // connections that one read() may list

int silent(libbpf_print_level, const char*, va_list) {
  return 0;
}

}  // namespace

void SocketWalk::Free::operator()(socket_options_bpf* object) const {
  socket_options_bpf::destroy(object);
}

void SocketWalk::Free::operator()(bpf_link* link) const {
  bpf_link__destroy(link);
}

Result<SocketWalk> SocketWalk::open() {
  libbpf_set_print(silent);
  SocketWalk options;
  options.object_.reset(socket_options_bpf::open());
  if (!options.object_) return Error::from_errno("open BPF object for socket options");
  if (const int error = socket_options_bpf::load(options.object_.get()))
    return Error::from_errno("load BPF program for socket options", -error);
  options.link_.reset(bpf_program__attach_iter(options.object_->progs.visit_sockets, nullptr));
  if (!options.link_) return Error::from_errno("attach BPF program for socket options");
  return options;
}

// It stays with the namespace that it is begun in.
Result<UniqueFd> SocketWalk::begin_walk() {
  UniqueFd walk(bpf_iter_create(bpf_link__fd(link_.get())));
  if (!walk) return Error::from_errno("open socket iterator");
  return walk;
}

Result<std::vector<opt_values>> SocketWalk::list() {
  object_->bss->request = {};
  const UniqueFd walk = TRY(begin_walk());
  std::vector<opt_values> found;
  std::array<opt_values, kPortion> portion{};
  while (true) {
    const ssize_t length = read(walk.get(), portion.data(), sizeof(portion));
    if (length == 0) return found;
    if (length > 0)
      found.insert(found.end(), portion.begin(),
                   portion.begin() + length / static_cast<ssize_t>(sizeof(opt_values)));
    else if (errno != EAGAIN && errno != EINTR)
      return Error::from_errno("read socket iterator");
  }
}

// Until the socket that is wanted; false: it is not among those that were left.
Result<bool> SocketWalk::walk_on() {
  char nothing = 0;
  while (true) {
    const ssize_t length = read(walk_.get(), &nothing, sizeof(nothing));
    if (object_->bss->answer.found) return true;
    if (length == 0) return false;
    if (length < 0 && errno != EAGAIN && errno != EINTR)
      return Error::from_errno("read socket iterator");
  }
}

// The walk was whole: many that have closed cost no walk each.
void SocketWalk::note_living(std::uint64_t space) {
  const std::uint64_t count = object_->bss->passed_count;
  living_space_.reset();
  living_.clear();
  if (count > OPT_MOST_PASSED) return;
  living_space_ = space;
  living_.insert(object_->bss->passed, object_->bss->passed + count);
}

// Only a walk that began anew and did not pause tells that a socket is gone: some kernels lose
// their place when others of its bucket have closed meanwhile.
Result<std::optional<opt_answer>> SocketWalk::visit(std::uint64_t space,
                                                    const opt_request& request) {
  if (living_space_ == space && !living_.contains(request.cookie))
    return std::optional<opt_answer>();
  auto& shared = *object_->bss;
  shared.request = request;
  shared.answer = {};
  const bool same_space = walk_ && space == space_;
  const bool same_socket = same_space && request.cookie == cookie_;
  bool found = same_space && (same_socket || !backwards_) && TRY(walk_on());
  if (!found) {
    walk_ = TRY(begin_walk());
    shared.passed_count = 0;
    found = TRY(walk_on());
  }
  if (!found) {
    note_living(space);
    walk_.reset();
    return std::optional<opt_answer>();
  }
  if (!same_socket) backwards_ = same_space && shared.passed_count < place_;
  space_ = space;
  cookie_ = request.cookie;
  place_ = shared.passed_count;
  return std::optional(shared.answer);
}

}  // namespace netsonde
