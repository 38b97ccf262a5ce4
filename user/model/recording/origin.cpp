// SPDX-License-Identifier: Apache-2.0
#include "user/model/recording/origin.h"

#include <fmt/format.h>

#include "user/model/recording/format.h"

namespace netsonde::recording {

Json to_json(const Origin& origin) {
  return {{"format", origin.format},
          {"program", origin.program},
          {"host", origin.host},
          {"kernel", origin.kernel},
          {"boot", origin.boot},
          {"run", origin.run},
          {"number", origin.number},
          {"began_ns", origin.began_ns},
          {"realtime_offset_ns", origin.realtime_offset_ns},
          {"interval_ns", origin.interval_ns},
          {"filter", origin.filter},
          {"records", to_json(std::span<const RecordLayout>(origin.layouts))}};
}

Result<Origin> origin_from(std::string_view text) {
  try {
    const Json json = Json::parse(text);
    Origin origin;
    origin.format = json.at("format").get<std::uint32_t>();
    if (origin.format > kFormat)
      return Error(fmt::format("its format {} is newer than this netsonde, which reads {}",
                               origin.format, kFormat));
    origin.program = json.at("program").get<std::string>();
    origin.host = json.at("host").get<std::string>();
    origin.kernel = json.at("kernel").get<std::string>();
    origin.boot = json.at("boot").get<std::string>();
    origin.run = json.at("run").get<std::string>();
    origin.number = json.at("number").get<std::uint64_t>();
    origin.began_ns = json.at("began_ns").get<std::int64_t>();
    origin.realtime_offset_ns = json.at("realtime_offset_ns").get<std::int64_t>();
    origin.interval_ns = json.at("interval_ns").get<std::int64_t>();
    origin.filter = json.at("filter").get<std::string>();
    origin.layouts = TRY(layouts_from(json.at("records")));
    return origin;
  } catch (const Json::exception&) {
    return Error("what it tells of itself is damaged");
  }
}

Json to_json(const Ending& ending) {
  Json records = Json::array(), checkpoints = Json::array();
  for (const auto& [kind, count] : ending.records) records.push_back({kind, count});
  for (const CheckpointPlace& place : ending.checkpoints)
    checkpoints.push_back({place.time_ns, place.offset});
  return {{"records", std::move(records)},
          {"not_recorded", ending.not_recorded},
          {"checkpoints", std::move(checkpoints)}};
}

Result<Ending> ending_from(std::string_view text) {
  try {
    const Json json = Json::parse(text);
    Ending ending;
    for (const Json& entry : json.at("records"))
      ending.records[entry.at(0).get<std::uint16_t>()] = entry.at(1).get<std::uint64_t>();
    ending.not_recorded = json.at("not_recorded").get<std::uint64_t>();
    for (const Json& entry : json.at("checkpoints"))
      ending.checkpoints.push_back(
          {.time_ns = entry.at(0).get<std::int64_t>(), .offset = entry.at(1).get<std::uint64_t>()});
    return ending;
  } catch (const Json::exception&) {
    return Error("what it tells of its end is damaged");
  }
}

}  // namespace netsonde::recording
