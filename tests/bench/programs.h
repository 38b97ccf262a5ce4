// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <poll.h>

#include <array>
#include <atomic>
#include <map>
#include <set>
#include <thread>

#include "tests/bench/measure.h"
#include "user/base/loop.h"
#include "user/capture/hooks.h"

namespace netsonde::bench {

// A loaded program that can be attached and detached at any time.
struct Program {
  std::string name;
  std::string hook;  // section, e.g. tp_btf/tcp_retransmit_skb
  int fd = -1;
  UniqueFd owned;  // of programs that are not part of the object
  UniqueFd link;
};

struct Cost {
  std::uint64_t runs = 0;
  std::uint64_t ns = 0;
};

// netsonde's programs, loaded as `netsonde top` or as `netsonde trace` loads them, and beside each
// one that does nothing on the same hook: what the hook itself costs.
class Programs {
 public:
  static Result<Programs> load(bool trace) {
    libbpf_set_print(nullptr);
    const KernelFeatures features = TRY(KernelFeatures::read());
    Programs programs(TRY(BpfObject::open()), TRY(CgroupRoot::open()));
    std::vector<HookOutcome> outcomes = choose_hooks(features, false);
    for (HookOutcome& outcome : outcomes) {
      std::erase(outcome.programs, "on_probe");  // deep mode only
      if (trace) continue;
      std::erase(outcome.programs, "on_receive");
      std::erase(outcome.programs, "on_send");
    }
    BpfObject& object = programs.object_;
    configure(object, features);
    select_programs(object, outcomes);
    object->rodata->send_open = trace;
    object->rodata->send_events = true;
    TRY(object.load());
    TRY(programs.collect());
    return programs;
  }

  const std::map<std::string, Program>& all() const { return programs_; }
  BpfObject& object() { return object_; }

  // Accepted sockets start with a copy of the listener's state. Where nothing is attached there
  // must be none, so it comes and goes with the program that makes it.
  void keep_listener_state(int listener) {
    listener_ = listener;
    listener_state_.resize(bpf_map__value_size(object_->maps.states));
    const int map = bpf_map__fd(object_->maps.states);
    if (bpf_map_lookup_elem(map, &listener_, listener_state_.data())) listener_ = -1;
  }

  Result<> attach(const std::set<std::string>& names) {
    for (const std::string& name : names) {
      Program& program = programs_.at(name);
      const bool sockops = program.hook == "sockops";
      program.link = UniqueFd(
          sockops ? bpf_link_create(program.fd, cgroups_.fd(), BPF_CGROUP_SOCK_OPS, nullptr)
                  : bpf_raw_tracepoint_open(nullptr, program.fd));
      if (!program.link) return Error::from_errno("attach " + name);
    }
    if (names.contains("on_state") && listener_ >= 0)
      bpf_map_update_elem(bpf_map__fd(object_->maps.states), &listener_, listener_state_.data(),
                          BPF_ANY);
    return {};
  }

  void detach() {
    for (auto& [name, program] : programs_) program.link.reset();
    if (listener_ >= 0) bpf_map_delete_elem(bpf_map__fd(object_->maps.states), &listener_);
  }

  // Since the program was loaded, while the kernel kept statistics.
  Cost cost(const std::string& name) const {
    bpf_prog_info info = {};
    __u32 size = sizeof(info);
    bpf_obj_get_info_by_fd(programs_.at(name).fd, &info, &size);
    return {.runs = info.run_cnt, .ns = info.run_time_ns};
  }

  std::uint64_t lost() const {
    std::uint64_t sum = 0;
    for (const std::uint64_t count : object_->bss->lost) sum += count;
    return sum;
  }

 private:
  Programs(BpfObject object, CgroupRoot cgroups)
      : object_(std::move(object)), cgroups_(std::move(cgroups)) {}

  Result<> collect() {
    bpf_program* program = nullptr;
    bpf_object__for_each_program(program, object_->obj) {
      if (!bpf_program__autoload(program) ||
          bpf_program__expected_attach_type(program) == BPF_TRACE_ITER)
        continue;
      const std::string name = bpf_program__name(program);
      const std::string hook = bpf_program__section_name(program);
      programs_[name] = {
          .name = name, .hook = hook, .fd = bpf_program__fd(program), .owned = {}, .link = {}};
      Program& empty = programs_["empty " + name];
      empty = {.name = "empty " + name,
               .hook = hook,
               .fd = -1,
               .owned = TRY(load_empty(program)),
               .link = {}};
      empty.fd = empty.owned.get();
    }
    return {};
  }

  static Result<UniqueFd> load_empty(const bpf_program* like) {
    static constexpr std::array kReturnOne = {
        bpf_insn{
            .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 1},
        bpf_insn{.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0}};
    bpf_prog_load_opts options = {};
    options.sz = sizeof(options);
    options.expected_attach_type = bpf_program__expected_attach_type(like);
    const std::string_view section = bpf_program__section_name(like);
    if (bpf_program__type(like) == BPF_PROG_TYPE_TRACING) {
      const std::string point(section.substr(section.find('/') + 1));
      const int id = libbpf_find_vmlinux_btf_id(point.c_str(), options.expected_attach_type);
      if (id < 0) return Error::from_errno("find tracepoint " + point, -id);
      options.attach_btf_id = static_cast<__u32>(id);
    }
    UniqueFd fd(bpf_prog_load(bpf_program__type(like), "empty", "GPL", kReturnOne.data(),
                              kReturnOne.size(), &options));
    if (!fd) return Error::from_errno("load an empty program for " + std::string(section));
    return fd;
  }

  BpfObject object_;
  CgroupRoot cgroups_;
  std::map<std::string, Program> programs_;
  int listener_ = -1;
  std::vector<std::byte> listener_state_;
};

// The other half of netsonde, on a core of its own: drains the ring as a session does, and while
// programs are attached reads all sockets once a second.
class Reader {
 public:
  static Result<std::unique_ptr<Reader>> start(Programs& programs, int core) {
    std::unique_ptr<Reader> reader(new Reader);
    reader->ring_ =
        TRY(RingBuffer::open(bpf_map__fd(programs.object()->maps.events),
                             [reader = reader.get()](auto bytes) { reader->take(bytes); }));
    bpf_iter_link_info info = {};
    info.map.map_fd = static_cast<__u32>(bpf_map__fd(programs.object()->maps.states));
    bpf_iter_attach_opts options = {};
    options.sz = sizeof(options);
    options.link_info = &info;
    options.link_info_len = sizeof(info);
    reader->sampler_.reset(
        bpf_program__attach_iter(programs.object()->progs.sample_sockets, &options));
    if (!reader->sampler_) return Error::from_errno("attach sample_sockets");
    reader->thread_ = std::thread([reader = reader.get(), core] { reader->run(core); });
    return reader;
  }

  ~Reader() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }

  void set_sampling(bool on) { sampling_ = on; }
  std::uint64_t events() const { return events_; }
  std::uint64_t bytes() const { return bytes_; }

 private:
  static constexpr Nanos kDrainEvery = std::chrono::milliseconds(50);
  static constexpr int kDrainsPerPass = 20;
  static constexpr std::size_t kAll = 100'000;

  Reader() = default;

  void run(int core) {
    pin(core);
    pollfd ready = {.fd = ring_->fd(), .events = POLLIN, .revents = 0};
    int drains = 0;
    for (Time due = kernel_now() + kDrainEvery; !stop_;) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(due - kernel_now());
      const bool early = left.count() > 0 && poll(&ready, 1, static_cast<int>(left.count())) > 0;
      (void)ring_->drain(kAll);
      if (early) continue;
      due = kernel_now() + kDrainEvery;
      if (sampling_ && ++drains % kDrainsPerPass == 0) pass();
    }
  }

  void pass() {
    const UniqueFd iterator(bpf_iter_create(bpf_link__fd(sampler_.get())));
    char nothing = 0;
    while (iterator && read(iterator.get(), &nothing, 1) < 0 && errno == EAGAIN)
      (void)ring_->drain(kAll);
    (void)ring_->drain(kAll);
  }

  void take(std::span<const std::byte> bytes) {
    ++events_;
    bytes_ += bytes.size();
  }

  std::optional<RingBuffer> ring_;
  BpfLink sampler_;
  std::atomic<bool> stop_ = false;
  std::atomic<bool> sampling_ = false;
  std::atomic<std::uint64_t> events_ = 0;
  std::atomic<std::uint64_t> bytes_ = 0;
  std::thread thread_;
};

}  // namespace netsonde::bench
