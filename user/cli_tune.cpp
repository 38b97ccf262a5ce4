// SPDX-License-Identifier: Apache-2.0
#include "user/cli_tune.h"

#include "tuner/catalogue_connection.h"
#include "user/cli_values.h"
#include "user/model/inference.h"

namespace netsonde {

namespace {

template <typename Number>
CLI::Validator number_into(Number& target, std::uint64_t low, std::uint64_t high) {
  return CLI::Validator(
      [&target, low, high](std::string& text) -> std::string {
        std::uint64_t value = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
        if (error != std::errc() || end != text.data() + text.size())
          return "'" + printable(text) + "' is no whole number";
        if (value < low || value > high)
          return fmt::format("{} is not from {} to {}", value, low, high);
        target = value;
        return {};
      },
      "NUMBER");
}

// Within the bounds of the setting.
CLI::Validator bytes_of(std::string_view key, std::uint64_t& target) {
  const Tunable& tunable = *find_tunable(key);
  return bytes_into(target, static_cast<std::uint64_t>(tunable.floor),
                    static_cast<std::uint64_t>(tunable.ceiling));
}

CLI::Validator rate_into(std::uint64_t& target) {
  const CLI::Validator bytes = bytes_of(kConnectionPacing, target);
  return CLI::Validator(
      [&target, bytes](std::string& text) -> std::string {
        if (text != "unlimited") return bytes(text);
        target = kUnlimitedPacing;
        return {};
      },
      "RATE");
}

}  // namespace

CLI::App* TuneArguments::action(CLI::App* parent, const char* name, const char* help,
                                TuneAction action, Options& options) {
  CLI::App* sub = parent->add_subcommand(name, help);
  sub->callback([&options, action] { options.tune.action = action; });
  sub->fallthrough();
  return sub;
}

void TuneArguments::add_list(CLI::App* tune, Options& options) {
  CLI::App* list = action(tune, "list", "The settings that netsonde knows, and this host's values",
                          TuneAction::List, options);
  list->add_option("settings", options.tune.settings, "Only these, with all that is known of them")
      ->option_text("KEY[@WHERE] ...");
  list->add_flag("--all", options.tune.all,
                 "Also what this host does not have, and what a device or route has as usual");
  list->add_flag("--json", options.json, "One JSON object per setting");
}

void TuneArguments::add_plan(CLI::App* tune, Options& options) {
  TuneOptions& wanted = options.tune;
  options.duration = std::chrono::seconds(30);
  options.interval = std::chrono::milliseconds(500);
  CLI::App* plan = action(tune, "plan", "What would help, on which evidence; writes no setting",
                          TuneAction::Plan, options);
  CLI::Option* duration = plan->add_option("--duration", text(), "Look for so long (30s)")
                              ->option_text("TIME")
                              ->check(duration_into(*options.duration));
  add_from(plan, options, "A recording of this host, instead of the running kernel");
  CLI::Option* profile =
      plan->add_option("--profile", wanted.profile, "Instead: what this profile would change")
          ->option_text("NAME");
  add_goal(plan, wanted);
  profile->excludes(duration)->excludes(plan->get_option("--goal"));
  plan->add_option("--only", wanted.only, "Propose only these settings")
      ->option_text("KEY[@WHERE] ...");
  plan->add_option("--except", wanted.except, "Propose none of these")
      ->option_text("KEY[@WHERE] ...");
  plan->add_option("-o,--output", options.output, "Into this file, for netsonde tune apply")
      ->option_text("FILE");
  plan->add_flag("--force", options.force, "Replace the file if it exists");
  plan->add_flag("--json", options.json, "JSON instead of text, one object");
}

void TuneArguments::add_profiles(CLI::App* tune, Options& options) {
  CLI::App* profile = tune->add_subcommand("profile", "Named sets of values");
  profile->require_subcommand(1);
  profile->fallthrough();
  CLI::App* list = action(profile, "list", "All profiles", TuneAction::ProfileList, options);
  list->add_flag("--json", options.json, "One JSON object per profile");
  CLI::App* show = action(profile, "show", "What a profile says, and what it would change here",
                          TuneAction::ProfileShow, options);
  show->add_option("name", options.tune.profile, "Which")->option_text("NAME")->required();
  show->add_flag("--json", options.json, "One JSON object, with the plan");
}

void TuneArguments::add_apply(CLI::App* tune, Options& options) {
  TuneOptions& wanted = options.tune;
  CLI::App* apply = action(tune, "apply", "Change settings; undone at a deadline unless confirmed",
                           TuneAction::Apply, options);
  apply->add_option("plan", wanted.plan, "What netsonde tune plan -o wrote")->option_text("FILE");
  apply->add_option("--profile", wanted.profile, "Instead of a plan: what this profile changes")
      ->option_text("NAME");
  apply->add_option("--set", wanted.set, "Instead of a plan: this value; several are allowed")
      ->option_text("KEY[@WHERE]=VALUE ...");
  apply->add_option("--only", wanted.only, "Of all that, change only these settings")
      ->option_text("KEY[@WHERE] ...");
  apply->add_option("--except", wanted.except, "Change none of these")
      ->option_text("KEY[@WHERE] ...");
  CLI::Option* within = add_confirm_within(apply, wanted);
  apply->add_flag("--yes", wanted.yes, "Do not ask");
  CLI::Option* wait =
      apply->add_flag("--wait", wanted.wait, "End when it is confirmed or rolled back");
  CLI::Option* measured =
      apply->add_flag("--auto", wanted.by_measurement,
                      "The measurement confirms: each is tried on live traffic, by itself");
  measured->excludes(within, wait);
  for (CLI::Option* option : add_measured(apply, options)) option->needs(measured);
}

// How it is measured.
std::vector<CLI::Option*> TuneArguments::add_measured(CLI::App* apply, Options& options) {
  std::vector<CLI::Option*> added =
      add_trial(apply, options.tune,
                {.blocks = "So often each way (8)",
                 .period = "Measure so long each time (5s)",
                 .wash_out = "After each change wait before measuring (5s)"});
  added.push_back(
      apply->add_flag("--json", options.json, "JSON instead of text, one object per event"));
  return added;
}

void TuneArguments::add_goal(CLI::App* command, TuneOptions& wanted) {
  command->add_option("--goal", wanted.goal, "balanced, throughput or latency (balanced)")
      ->option_text("GOAL")
      ->check(CLI::IsMember({"balanced", "throughput", "latency"}));
}

CLI::Option* TuneArguments::add_confirm_within(CLI::App* command, TuneOptions& wanted) {
  return command
      ->add_option("--confirm-within", text(),
                   "Undo unless 'netsonde tune confirm' comes before (60s)")
      ->option_text("TIME")
      ->check(duration_into(wanted.confirm_within))
      ->check([&wanted](const std::string&) {
        return std::string(wanted.confirm_within > std::chrono::hours(24 * 30)
                               ? "more than 30 days is no deadline"
                               : "");
      });
}

void TuneArguments::add_connection(CLI::App* tune, Options& options) {
  TuneOptions& wanted = options.tune;
  CLI::App* connection =
      action(tune, "connection", "Change live connections; undone at a deadline unless confirmed",
             TuneAction::Connection, options);
  connection->add_option("--where", wanted.where, "Those that this expression accepts")
      ->option_text("EXPR")
      ->required();
  connection->add_option("--congestion", wanted.congestion, "Their congestion control")
      ->option_text("NAME");
  connection
      ->add_option("--max-pacing-rate", text(), "The most that each sends in a second; 'unlimited'")
      ->option_text("SIZE")
      ->check(rate_into(wanted.max_pacing_rate));
  connection->add_option("--window-clamp", text(), "The largest window that each advertises")
      ->option_text("SIZE")
      ->check(bytes_of(kConnectionClamp, wanted.window_clamp));
  add_confirm_within(connection, wanted);
  CLI::Option* yes = connection->add_flag("--yes", wanted.yes, "Do not ask");
  CLI::Option* wait =
      connection->add_flag("--wait", wanted.wait, "End when it is confirmed or rolled back");
  connection->add_flag("--json", options.json, "Change nothing: the plan as JSON, for tune apply")
      ->excludes(yes, wait);
}

std::vector<CLI::Option*> TuneArguments::add_trial(CLI::App* command, TuneOptions& wanted,
                                                   const TrialHelp& help) {
  return {command->add_option("--blocks", text(), help.blocks)
              ->option_text("N")
              ->check(number_into(wanted.blocks, kFewestBlocks, 1000)),
          command->add_option("--period", text(), help.period)
              ->option_text("TIME")
              ->check(duration_into(wanted.period)),
          command->add_option("--wash-out", text(), help.wash_out)
              ->option_text("TIME")
              ->check(duration_into(wanted.wash_out)),
          command->add_option("--seed", text(), "Of the order (by chance)")
              ->option_text("N")
              ->check(number_into(wanted.seed, 0, ~0ULL))};
}

void TuneArguments::add_experiment(CLI::App* tune, Options& options) {
  TuneOptions& wanted = options.tune;
  CLI::App* experiment =
      action(tune, "experiment", "Whether a value is better than what is there, by turns, measured",
             TuneAction::Experiment, options);
  experiment->add_option("--set", wanted.set, "What is tried; several are tried together")
      ->option_text("KEY=VALUE ...")
      ->required();
  experiment->add_option("--metric", wanted.metric, "What decides (that of the load or probe)")
      ->option_text("METRIC");
  experiment->add_option("--load", wanted.load, "Measure while this command of the shell runs")
      ->option_text("COMMAND");
  experiment->add_option("--probe", wanted.probe, "Measure how this answers")->option_text("URL");
  add_trial(experiment, wanted,
            {.blocks = "So often each way (12)",
             .period = "Measure so long each time; a load decides itself (5s)",
             .wash_out = "After each change wait before measuring (2s)"});
  experiment->add_flag("--keep", wanted.keep, "What proved to be better stays");
  experiment->add_flag("--yes", wanted.yes, "Do not ask");
  experiment->add_flag("--json", options.json, "JSON instead of text, one object per metric");
}

void TuneArguments::add_auto(CLI::App* tune, Options& options) {
  TuneOptions& wanted = options.tune;
  CLI::App* automatic = action(
      tune, "auto", "Look, try what may help, keep only what proved to be better; until Ctrl-C",
      TuneAction::Auto, options);
  add_goal(automatic, wanted);
  automatic->add_option("--duration", text(), "End after this time (never)")
      ->option_text("TIME")
      ->check(duration_into(wanted.lasts));
  automatic->add_option("--window", text(), "Look so long before anything is proposed (30s)")
      ->option_text("TIME")
      ->check(duration_into(wanted.window));
  add_trial(automatic, wanted,
            {.blocks = "So often each way (8)",
             .period = "Measure so long each time (5s)",
             .wash_out = "After each change wait before measuring (5s)"});
  automatic->add_option("--most-per-hour", text(), "Changes, also those that are undone (12)")
      ->option_text("N")
      ->check(number_into(wanted.most_per_hour, 1, 3600));
  automatic
      ->add_option("--back-off", text(),
                   "Try no more for so long what did not help; doubles each time (10m)")
      ->option_text("TIME")
      ->check(duration_into(wanted.back_off));
  automatic->add_option("--only", wanted.only, "Change only these settings")
      ->option_text("KEY[@WHERE] ...");
  automatic->add_option("--except", wanted.except, "Change none of these")
      ->option_text("KEY[@WHERE] ...");
  automatic->add_flag("--json", options.json, "JSON instead of text, one object per event");
}

void TuneArguments::add_undoing(CLI::App* tune, Options& options) {
  action(tune, "confirm", "What was applied stays", TuneAction::Confirm, options);
  CLI::App* rollback =
      action(tune, "rollback", "Undo the newest change set", TuneAction::Rollback, options);
  rollback->add_option("--to", text(), "Undo all change sets after this one; 0: all")
      ->option_text("SET")
      ->check(number_into(options.tune.to, 0, ~0ULL));
  action(tune, "recover", "Undo what was interrupted", TuneAction::Recover, options);
  CLI::App* hand_back = action(tune, "hand-back", "netsonde may change again what others have set",
                               TuneAction::HandBack, options);
  hand_back->add_option("settings", options.tune.settings, "Settings")
      ->option_text("KEY[@WHERE] ...")
      ->required();
}

void TuneArguments::add_looking(CLI::App* tune, Options& options) {
  CLI::App* status =
      action(tune, "status", "What is in force, and until when", TuneAction::Status, options);
  status->add_flag("--json", options.json, "One JSON object");
  CLI::App* log = action(tune, "log", "Everything that was ever changed", TuneAction::Log, options);
  log->add_flag("--json", options.json, "One JSON object per change");
  CLI::App* report = action(tune, "report", "Every change and what it did, on one page",
                            TuneAction::Report, options);
  report
      ->add_option("-o,--output", options.output,
                   "Into this file: .html, .md, .json or .txt (standard output)")
      ->option_text("FILE");
  report->add_flag("--force", options.force, "Replace the file if it exists");
  report->add_option("--format", options.format, "html, md, json or text, whatever its name")
      ->option_text("FORMAT")
      ->check(CLI::IsMember({"html", "md", "json", "text"}));
  action(tune, "persist", "What is confirmed also holds after the next boot", TuneAction::Persist,
         options);
  action(tune, "unpersist", "It does not any more", TuneAction::Unpersist, options);
}

void TuneArguments::add(CLI::App* tune, Options& options) {
  tune->require_subcommand(1);
  add_list(tune, options);
  add_plan(tune, options);
  add_profiles(tune, options);
  add_apply(tune, options);
  add_connection(tune, options);
  add_experiment(tune, options);
  add_auto(tune, options);
  add_undoing(tune, options);
  add_looking(tune, options);
}

}  // namespace netsonde
