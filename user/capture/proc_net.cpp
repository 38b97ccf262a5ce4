// SPDX-License-Identifier: Apache-2.0
#include "user/capture/proc_net.h"

#include <algorithm>
#include <array>
#include <vector>

#include "user/capture/words.h"

namespace netsonde {

namespace {

// One row of a table as numbers; nothing when one word is none.
std::optional<std::vector<std::uint64_t>> hex_row(std::string_view line) {
  std::vector<std::uint64_t> row;
  while (!line.empty()) {
    const std::string_view word = take_word(line);
    if (word.empty()) break;
    const auto value = number<std::uint64_t>(word, 16);
    if (!value) return std::nullopt;
    row.push_back(*value);
  }
  return row;
}

bool is_negative(std::string_view word) {
  return word.starts_with('-') && number<std::int64_t>(word);
}

void add_pair(std::string_view file, std::string_view group, std::string_view names,
              std::string_view numbers, ValueList& values) {
  for (;;) {
    const std::string_view name = take_word(names), word = take_word(numbers);
    if (name.empty() && word.empty()) return;
    const auto value = number<std::uint64_t>(word);
    if (name.empty() || (!value && !is_negative(word))) return values.not_understood();
    if (value) values.add({file, ".", group, ".", name}, {}, *value);
  }
}

// "Tcp:" is "Tcp"; nothing for a word that is no label.
std::string_view label(std::string_view word) {
  return word.ends_with(':') ? word.substr(0, word.size() - 1) : std::string_view();
}

void end_of_text(std::string_view rest, ValueList& values) {
  if (!rest.empty()) values.not_understood();
}

// The column of each wanted one; SIZE_MAX where the table has none.
std::vector<std::size_t> columns_in(std::string_view header, std::span<const StatColumn> columns,
                                    std::size_t& width) {
  std::vector<std::size_t> at(columns.size(), SIZE_MAX);
  width = 0;
  for (std::string_view name; !(name = take_word(header)).empty(); ++width)
    for (std::size_t i = 0; i < columns.size(); ++i)
      if (columns[i].column == name) at[i] = width;
  return at;
}

std::string lower(std::string_view word) {
  std::string text(word);
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return text;
}

// The numbers of the CPUs that have a column; nothing when the line is no such header.
std::vector<std::uint32_t> cpus_of(std::string_view header) {
  std::vector<std::uint32_t> cpus;
  for (std::string_view word; !(word = take_word(header)).empty();) {
    const auto cpu = word.starts_with("CPU") ? number<std::uint32_t>(word.substr(3)) : std::nullopt;
    if (!cpu) return {};
    cpus.push_back(*cpu);
  }
  return cpus;
}

// "cpu3", not the sum of all.
bool is_cpu(std::string_view word) {
  return word.starts_with("cpu") && number<std::uint32_t>(word.substr(3));
}

void add_interrupt(std::string_view counts, const DeviceIrq& irq,
                   std::span<const std::uint32_t> cpus, ValueList& values) {
  const std::size_t before = values.mark();
  for (const std::uint32_t cpu : cpus) {
    const auto count = number<std::uint64_t>(take_word(counts));
    if (!count) {
      values.take_back(before);
      return values.not_understood();
    }
    values.add({"irq.count"}, {irq.device, "/", Digits(irq.number), "/cpu", Digits(cpu)}, *count);
  }
}

}  // namespace

void add_snmp(std::string_view text, std::string_view file, ValueList& values) {
  std::string_view group, names;
  while (auto line = take_line(text)) {
    const std::string_view found = label(take_word(*line));
    if (!group.empty() && found == group) {
      add_pair(file, group, names, *line, values);
      group = {};
      continue;
    }
    if (!group.empty() || found.empty()) values.not_understood();
    group = found;
    names = *line;
  }
  if (!group.empty()) values.not_understood();
  end_of_text(text, values);
}

void add_snmp6(std::string_view text, ValueList& values) {
  static constexpr std::array<std::string_view, 3> kGroups = {"Ip6", "Icmp6", "Udp6"};
  while (auto line = take_line(text)) {
    const std::string_view name = take_word(*line), word = take_word(*line);
    const auto group = std::find_if(kGroups.begin(), kGroups.end(),
                                    [name](std::string_view g) { return name.starts_with(g); });
    const auto value = number<std::uint64_t>(word);
    if (!value && !is_negative(word)) values.not_understood();
    if (!value || group == kGroups.end()) continue;
    const std::string_view counter = name.substr(group->size());
    if (counter.starts_with("InType") || counter.starts_with("OutType")) continue;
    values.add({"snmp6.", *group, ".", counter}, {}, *value);
  }
  end_of_text(text, values);
}

void add_softnet(std::string_view text, ValueList& values) {
  struct Column {
    std::size_t at;
    std::string_view name;
  };
  static constexpr std::array kColumns = {
      Column{0, "softnet.processed"},   Column{1, "softnet.dropped"},
      Column{2, "softnet.squeezed"},    Column{9, "softnet.received_rps"},
      Column{10, "softnet.flow_limit"}, Column{11, "softnet.backlog"},
  };
  constexpr std::size_t kCpuColumn = 12;
  std::uint64_t number_of_row = 0;
  while (const auto line = take_line(text)) {
    const auto row = hex_row(*line);
    const std::uint64_t cpu = row && row->size() > kCpuColumn ? (*row)[kCpuColumn] : number_of_row;
    ++number_of_row;
    const auto is_wide = [](std::uint64_t value) { return value > UINT32_MAX; };
    if (!row || row->size() < 3 || std::any_of(row->begin(), row->end(), is_wide)) {
      values.not_understood();
      continue;
    }
    for (const Column& column : kColumns)
      if (column.at < row->size())
        values.add({column.name}, {"cpu", Digits(cpu)}, (*row)[column.at]);
  }
  end_of_text(text, values);
}

void add_sockstat(std::string_view text, ValueList& values) {
  while (auto line = take_line(text)) {
    const std::string group = lower(label(take_word(*line)));
    if (group.empty()) {
      values.not_understood();
      continue;
    }
    for (std::string_view name; !(name = take_word(*line)).empty();) {
      const std::string_view word = take_word(*line);
      const auto value = number<std::uint64_t>(word);
      if (value) values.add({"sockstat.", group, ".", name}, {}, *value);
      if (value || is_negative(word)) continue;
      values.not_understood();
      break;
    }
  }
  end_of_text(text, values);
}

void add_meminfo(std::string_view text, ValueList& values) {
  while (auto line = take_line(text)) {
    const std::string_view name = take_word(*line);
    const bool total = name == "MemTotal:";
    if (!total && name != "MemAvailable:") continue;
    const auto kib = number<std::uint64_t>(take_word(*line));
    if (!kib || *kib > UINT64_MAX / 1024 || take_word(*line) != "kB")
      values.not_understood();
    else
      values.add(total ? "memory.total" : "memory.available", *kib * 1024);
  }
  end_of_text(text, values);
}

void add_cpu_times(std::string_view text, std::uint64_t ticks_per_second, ValueList& values) {
  constexpr std::size_t kIrq = 5, kSoftirq = 6,
                        kNeeded = 7;  // user nice system idle iowait irq softirq ...
  while (auto line = take_line(text)) {
    const std::string_view cpu = take_word(*line);
    if (!is_cpu(cpu)) continue;
    std::array<std::optional<std::uint64_t>, kNeeded> ticks;
    for (auto& each : ticks) each = number<std::uint64_t>(take_word(*line));
    const auto ms = [&](std::uint64_t count) { return count * 1000 / ticks_per_second; };
    const auto is_sane = [](const auto& count) { return count && *count <= UINT64_MAX / 1000; };
    if (!std::all_of(ticks.begin(), ticks.end(), is_sane)) {
      values.not_understood();
      continue;
    }
    values.add({"cpu.irq_ms"}, {cpu}, ms(*ticks[kIrq]));
    values.add({"cpu.softirq_ms"}, {cpu}, ms(*ticks[kSoftirq]));
  }
  end_of_text(text, values);
}

void add_stat(std::string_view text, std::string_view prefix, std::span<const StatColumn> columns,
              ValueList& values) {
  const auto header = take_line(text);
  std::size_t width = 0;
  const auto at = columns_in(header.value_or(""), columns, width);
  std::vector<std::uint64_t> sums(columns.size());
  bool any = false;
  while (const auto line = take_line(text)) {
    const auto row = hex_row(*line);
    // A sum without this row would look like a counter that was started again.
    if (!row || row->size() < width) return values.not_understood();
    for (std::size_t i = 0; i < columns.size(); ++i)
      if (at[i] < width) sums[i] = (columns[i].same_in_each_row ? 0 : sums[i]) + (*row)[at[i]];
    any = true;
  }
  if (!text.empty() || !any) return values.not_understood();
  for (std::size_t i = 0; i < columns.size(); ++i)
    if (at[i] < width) values.add({prefix, columns[i].column}, {}, sums[i]);
}

void add_interrupts(std::string_view text, std::span<const DeviceIrq> irqs, ValueList& values) {
  const auto header = take_line(text);
  const std::vector<std::uint32_t> cpus = cpus_of(header.value_or(""));
  if (cpus.empty()) return values.not_understood();
  while (auto line = take_line(text)) {
    const auto irq = number<std::uint32_t>(label(take_word(*line)));
    if (!irq) continue;  // NMI, LOC, ...
    const auto row = std::partition_point(
        irqs.begin(), irqs.end(), [&irq](const DeviceIrq& known) { return known.number < *irq; });
    if (row != irqs.end() && row->number == *irq) add_interrupt(*line, *row, cpus, values);
  }
  end_of_text(text, values);
}

}  // namespace netsonde
