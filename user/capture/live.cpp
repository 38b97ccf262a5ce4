// SPDX-License-Identifier: Apache-2.0
#include "user/capture/live.h"

#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <ctime>

#include "user/base/loop.h"
#include "user/capture/netns.h"

namespace netsonde {

namespace {

constexpr std::size_t kPortion = 8192;  // events
constexpr int kFilesShare = 200;        // looking at files may take this part of our time
constexpr Nanos kPassLimit = std::chrono::milliseconds(500);

int silent(libbpf_print_level, const char*, va_list) {
  return 0;
}

template <typename Fill>
ev_header header(Fill& event, ev_kind kind, Time now) {
  return {.time_ns = static_cast<std::uint64_t>(now.time_since_epoch().count()),
          .kind = static_cast<std::uint16_t>(kind),
          .size = sizeof(event),
          .cpu = 0};
}

std::uint64_t own_cpu_ns() {
  timespec spent = {};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &spent);
  return static_cast<std::uint64_t>(spent.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(spent.tv_nsec);
}

BpfLink attach_sampler(BpfObject& object) {
  bpf_iter_link_info info = {};
  info.map.map_fd = static_cast<__u32>(bpf_map__fd(object->maps.states));
  bpf_iter_attach_opts options = {};
  options.sz = sizeof(options);
  options.link_info = &info;
  options.link_info_len = sizeof(info);
  return BpfLink(bpf_program__attach_iter(object->progs.sample_sockets, &options));
}

}  // namespace

Result<std::unique_ptr<Live>> Live::open(const LiveSettings& settings, Names& names) {
  libbpf_set_print(silent);
  const KernelFeatures features = TRY(KernelFeatures::read());
  names.set_drop_reasons(features.drop_reasons);
  names.set_reset_reasons(features.reset_reasons);
  std::vector<HookOutcome> outcomes = choose_hooks(features, settings.thorough);
  std::unique_ptr<Live> live;
  for (bool retry = settings.thorough;; retry = true) {
    live.reset(new Live(TRY(BpfObject::open()), names));
    live->outcomes_ = outcomes;
    if (auto cgroups = CgroupRoot::open()) live->cgroups_ = std::move(cgroups).value();
    configure(live->object_, features);
    auto loaded = live->load(settings);
    if (loaded) break;
    if (retry) return std::move(loaded).error();
    outcomes =
        choose_hooks(features, true);  // something that always works elsewhere does not work here
  }
  for (const auto& [number, name] : features.drop_reasons)
    if (always_benign(name) && number < std::size(live->object_->rodata->reason_is_benign))
      live->benign_reasons_.push_back(number);
  if (settings.symbols_first) live->symbols_ = Symbols::read();
  live->ring_ = TRY(RingBuffer::open(bpf_map__fd(live->object_->maps.events),
                                     [live = live.get()](auto bytes) { live->on_bytes(bytes); }));
  return live;
}

Result<> Live::load(const LiveSettings& settings) {
  const auto drop = [this](std::string_view program) {
    for (HookOutcome& hook : outcomes_) std::erase(hook.programs, program);
  };
  if (!cgroups_) reject("on_rtt", "no cgroup2 on this host", "on_probe_all");
  const bool probes_all = std::any_of(outcomes_.begin(), outcomes_.end(), [](const HookOutcome& h) {
    return std::find(h.programs.begin(), h.programs.end(), "on_probe_all") != h.programs.end();
  });
  if (!settings.deep || probes_all) drop("on_probe");
  if (!settings.opens)
    for (const char* name : {"on_receive", "on_send"}) drop(name);
  for (const HookOutcome& hook : outcomes_)
    if (hook.essential && hook.programs.empty())
      return Error("this kernel cannot show " + std::string(hook.sees) + " (" +
                   (hook.rejected.empty() ? "no program" : hook.rejected[0]) +
                   "); netsonde doctor tells more");
  select_programs(object_, outcomes_);
  bpf_map__set_max_entries(object_->maps.events, settings.ring_bytes);
  object_->rodata->ring_size = settings.ring_bytes;
  object_->rodata->send_open = settings.opens;
  object_->rodata->send_events = settings.losses;
  object_->rodata->drop_events_per_second = settings.drop_events_per_second;
  object_->rodata->filtering = settings.filter.any;
  object_->rodata->filter = settings.filter.conditions;
  return object_.load();
}

void Live::reject(std::string_view program, std::string_view why, std::string_view instead) {
  for (HookOutcome& hook : outcomes_)
    if (std::erase(hook.programs, program)) {
      hook.rejected.push_back(std::string(program) + ": " + std::string(why));
      hook.programs.emplace_back(instead);
    }
}

Result<> Live::attach(bpf_program* program) {
  const std::string name = bpf_program__name(program);
  const auto type = bpf_program__type(program);
  bpf_link* link = nullptr;
  if (type == BPF_PROG_TYPE_SOCK_OPS) {
    link = bpf_program__attach_cgroup(program, cgroups_->fd());
  } else {
    link = bpf_program__attach(program);
  }
  if (!link) return Error::from_errno("attach " + name);
  links_.emplace_back(link);
  return {};
}

Result<> Live::start() {
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, object_->obj) {
    if (!bpf_program__autoload(program)) continue;
    if (bpf_program__expected_attach_type(program) == BPF_TRACE_ITER) continue;
    program_fds_.push_back(bpf_program__fd(program));
    if (auto attached = attach(program); !attached) {
      const std::string name = bpf_program__name(program);
      for (HookOutcome& hook : outcomes_)
        if (std::erase(hook.programs, name)) {
          hook.rejected.push_back(attached.error().message());
          if (hook.essential) return std::move(attached).error();
        }
    }
  }
  sampler_ = attach_sampler(object_);
  if (!sampler_) return Error::from_errno("attach sample_sockets");
  return adopt();
}

Result<bool> Live::run_iterator(bpf_link* link, const Handler* handler, Time deadline) {
  const UniqueFd iterator(bpf_iter_create(bpf_link__fd(link)));
  if (!iterator) return Error::from_errno("open socket iterator");
  std::array<char, 4096> nothing{};
  bool paused = false;
  while (true) {
    const ssize_t length = read(iterator.get(), nothing.data(), nothing.size());
    if (length == 0) return !paused;
    if (length > 0 || errno == EINTR) continue;
    if (errno != EAGAIN) return Error::from_errno("read socket iterator");
    if (!handler) continue;  // the kernel paused after a million sockets
    paused = true;
    TRY(drain(*handler, true));
    if (kernel_now() > deadline) {
      ++cut_passes_;
      return true;
    }
  }
}

// Listeners come first in each namespace, so that what was accepted is told from what connected.
// Files come last: they know the process, and reach sockets in namespaces that nobody can enter.
Result<> Live::adopt() {
  if (bpf_program__autoload(object_->progs.adopt_sockets)) {
    const BpfLink link(bpf_program__attach_iter(object_->progs.adopt_sockets, nullptr));
    if (!link) return Error::from_errno("attach adopt_sockets");
    const NetworkNamespaces spaces = network_namespaces();
    namespaces_ += spaces.not_opened;
    namespaces_unreachable_ += spaces.not_opened;
    for (const NetworkNamespace& space : spaces.found) {
      ++namespaces_;
      if (!inside(space, [&]() -> Result<> {
            TRY(run_iterator(link.get(), nullptr, {}));
            return {};
          }))
        ++namespaces_unreachable_;
    }
  }
  if (!bpf_program__autoload(object_->progs.adopt_files)) return {};
  files_.reset(bpf_program__attach_iter(object_->progs.adopt_files, nullptr));
  if (!files_) return Error::from_errno("attach adopt_files");
  return look_at_files();
}

Result<> Live::look_at_files() {
  files_looked_ = kernel_now();
  ++object_->bss->files_look;
  TRY(run_iterator(files_.get(), nullptr, {}));
  files_cost_ = kernel_now() - files_looked_;
  guessed_ = false;
  return {};
}

void Live::learn(const Event& event) {
  if (const ev_conn* conn = connection_of(event); conn && cgroups_)
    names_.learn_cgroup(conn->cgroup, [this](std::uint64_t id) { return cgroups_->path_of(id); });
  const auto resolve = [this](std::uint64_t address) {
    if (!symbols_) symbols_ = Symbols::read();
    return symbols_->find(address);
  };
  if (const auto* drop = std::get_if<ev_drop>(&event)) names_.learn_symbol(drop->location, resolve);
  if (const auto* count = std::get_if<ev_drop_count>(&event))
    names_.learn_symbol(count->key.location, resolve);
}

// Accepted connections show their listener's process until somebody finds their own.
void Live::note_guess(const Event& event) {
  const auto* sample = std::get_if<ev_sample>(&event);
  if (sample && sample->header.kind == EV_SAMPLE && sample->conn.owner == EV_OWNER_LISTENER)
    guessed_ = true;
}

void Live::on_bytes(std::span<const std::byte> bytes) {
  auto event = decode(bytes);
  if (!event) {
    ++undecodable_;
    return;
  }
  learn(event.value());
  note_guess(event.value());
  (*handler_)(event.value());
}

Result<> Live::drain(const Handler& handler, bool hurry) {
  handler_ = &handler;
  // All: as many as can have waited when the drain began.
  const std::size_t all = object_->rodata->ring_size / sizeof(ev_open);
  auto drained = ring_->drain(hurry ? kPortion : all);
  handler_ = nullptr;
  if (!drained) return std::move(drained).error();
  return {};
}

void Live::send_drop_counts(const Handler& handler) {
  const int map = bpf_map__fd(object_->maps.drop_counts);
  ev_drop_key key = {};
  ev_drop_key* previous = nullptr;
  ev_drop_key next = {};
  while (bpf_map_get_next_key(map, previous, &next) == 0) {
    key = next;
    previous = &key;
    ev_drop_count count = {};
    count.key = key;
    if (bpf_map_lookup_elem(map, &key, &count.count)) continue;
    std::uint64_t& sent =
        drop_counts_sent_[std::string(reinterpret_cast<const char*>(&key), sizeof(key))];
    if (count.count == sent) continue;
    sent = count.count;
    count.header = header(count, EV_DROP_COUNT, kernel_now());
    const Event event(count);
    learn(event);
    handler(event);
  }
}

std::uint64_t Live::benign_drops() const {
  const int map = bpf_map__fd(object_->maps.benign_counts);
  std::vector<std::uint64_t> per_cpu(static_cast<std::size_t>(libbpf_num_possible_cpus()));
  std::uint64_t sum = 0;
  for (const std::uint32_t reason : benign_reasons_)
    if (bpf_map_lookup_elem(map, &reason, per_cpu.data()) == 0)
      for (const std::uint64_t count : per_cpu) sum += count;
  return sum;
}

Result<> Live::pass(const Pass& pass, const Handler& handler) {
  TRY(drain(handler, pass.hurry));
  const Nanos since_look = kernel_now() - files_looked_;
  if (files_ && (guessed_ || pass.complete) && since_look > files_cost_ * kFilesShare)
    TRY(look_at_files());
  object_->data->sample_connections = pass.connections;
  object_->bss->sample_unchanged = pass.complete;
  const std::uint64_t cut_before = cut_passes_;
  ++object_->bss->pass_number;
  const Time deadline = kernel_now() + kPassLimit;
  while (!TRY(run_iterator(sampler_.get(), &handler, deadline))) continue;
  TRY(drain(handler, pass.hurry));
  send_drop_counts(handler);
  ev_tick tick = {};
  tick.header = header(tick, EV_TICK, kernel_now());
  tick.realtime_offset_ns = realtime_offset_ns();
  std::copy(std::begin(object_->bss->lost), std::end(object_->bss->lost), std::begin(tick.lost));
  tick.lost[EV_LOST_SAMPLES] += cut_passes_;
  tick.lost[EV_LOST_EVENTS] += undecodable_;
  tick.lost[EV_LOST_MISSED] = missed();
  tick.benign_drops = benign_drops();
  tick.cpu_ns = own_cpu_ns();
  tick.bpf_ns_per_s = bpf_ns_per_s_;
  tick.complete = pass.complete && pass.connections && cut_before == cut_passes_;
  tick.sampled = pass.connections;
  handler(Event(tick));
  return {};
}

Result<> Live::want(const std::map<std::uint64_t, std::uint32_t>& wants) {
  const int map = bpf_map__fd(object_->maps.wants);
  for (const auto& [cookie, want] : wants_)
    if (!wants.contains(cookie)) bpf_map_delete_elem(map, &cookie);
  for (const auto& [cookie, want] : wants)
    if (bpf_map_update_elem(map, &cookie, &want, BPF_ANY))
      return Error::from_errno("choose connections");
  wants_ = wants;
  object_->bss->have_wants = true;
  return {};
}

// The kernel does not run a program on a CPU where the same program is running already: a softirq
// in the middle of a system call, most often.
std::uint64_t Live::missed() const {
  std::uint64_t missed = 0;
  for (const int fd : program_fds_) {
    bpf_prog_info info = {};
    __u32 size = sizeof(info);
    if (bpf_obj_get_info_by_fd(fd, &info, &size) == 0) missed += info.recursion_misses;
  }
  return missed;
}

std::vector<ProgramCost> Live::read_costs() const {
  std::vector<ProgramCost> costs;
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, object_->obj) {
    if (!bpf_program__autoload(program)) continue;
    bpf_prog_info info = {};
    __u32 size = sizeof(info);
    if (bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &size)) continue;
    costs.push_back(
        {.name = bpf_program__name(program), .runs = info.run_cnt, .ns = info.run_time_ns});
  }
  return costs;
}

Result<> Live::begin_measuring() {
  stats_ = UniqueFd(bpf_enable_stats(BPF_STATS_RUN_TIME));
  if (!stats_) return Error::from_errno("measure BPF programs");
  costs_before_ = read_costs();
  measuring_since_ = kernel_now();
  return {};
}

std::vector<ProgramCost> Live::end_measuring() {
  std::vector<ProgramCost> costs = read_costs();
  const double span = seconds(kernel_now() - measuring_since_);
  stats_.reset();
  std::uint64_t ns = 0;
  for (std::size_t i = 0; i < costs.size() && i < costs_before_.size(); ++i) {
    costs[i].runs -= costs_before_[i].runs;
    costs[i].ns -= costs_before_[i].ns;
    ns += costs[i].ns;
  }
  if (span > 0) bpf_ns_per_s_ = static_cast<std::uint64_t>(static_cast<double>(ns) / span);
  return costs;
}

std::vector<std::string> missing_capabilities() {
  struct Needed {
    int number;
    const char* name;
  };
  static constexpr std::array kNeeded = {
      Needed{CAP_BPF, "CAP_BPF"}, Needed{CAP_PERFMON, "CAP_PERFMON"},
      Needed{CAP_NET_ADMIN, "CAP_NET_ADMIN"}, Needed{CAP_SYS_ADMIN, "CAP_SYS_ADMIN"}};
  __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  std::array<__user_cap_data_struct, 2> sets{};
  std::vector<std::string> missing;
  if (syscall(SYS_capget, &head, sets.data())) return missing;
  for (const Needed& needed : kNeeded)
    if (!(sets[static_cast<std::size_t>(needed.number) / 32].effective >> (needed.number % 32) & 1))
      missing.emplace_back(needed.name);
  return missing;
}

}  // namespace netsonde
