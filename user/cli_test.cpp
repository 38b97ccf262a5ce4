// SPDX-License-Identifier: Apache-2.0
#include "user/cli_probe.h"
#include "user/cli_values.h"

namespace netsonde {

namespace {

CLI::Validator rate_into(std::optional<double>& target) {
  return CLI::Validator(
      [&target](std::string& text) -> std::string {
        double rate = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), rate);
        const bool is_rate =
            error == std::errc() && end == text.data() + text.size() && rate >= 0.01 && rate <= 1e6;
        if (!is_rate) return "'" + printable(text) + "' is not from 0.01 to 1000000 a second";
        target = rate;
        return {};
      },
      "NUMBER");
}

}  // namespace

void ProbeArguments::add_test(CLI::App* sub, Options& options) {
  TestOptions& test = options.test;
  ProbeOptions& probe = options.probe;
  options.duration = std::chrono::seconds(30);
  sub->add_option("url", options.words, "The endpoint")
      ->option_text("URL")
      ->required()
      ->expected(1);
  sub->add_option("--requests", text(), "At most so many requests (2000)")
      ->option_text("N")
      ->check(count_into(test.requests));
  sub->add_option("--bytes", text(), "At most so much of bodies (100MB)")
      ->option_text("SIZE")
      ->check(bytes_into(test.bytes, 1, 1ULL << 50));
  sub->add_option("--duration", text(), "About so long (30s)")
      ->option_text("TIME")
      ->check(duration_into(*options.duration));
  sub->add_option("--concurrency", text(), "Up to so many requests at once (64)")
      ->option_text("N")
      ->check(count_into(test.concurrency));
  sub->add_option("--rate", text(), "Requests a second of the open loop (half of the best)")
      ->option_text("N")
      ->check(rate_into(test.per_second));
  sub->add_option("--upload-url", test.upload_url, "Also upload, with POST or PUT, to this")
      ->option_text("URL");
  sub->add_option("--only", test.only,
                  "Only these: cold, warm, download, upload, sweep, open-loop, responsiveness")
      ->option_text("STAGE,...")
      ->delimiter(',');
  sub->add_option("--timeout", text(), "A request may take so long (10s)")
      ->option_text("TIME")
      ->check(duration_into(probe.limits.total));
  sub->add_option("--http", probe.http_version, "Only this version of HTTP (the best)")
      ->option_text("1.1|2")
      ->check(CLI::IsMember({"1.1", "2"}));
  sub->add_option("--header", probe.headers, "A header of the requests; several are allowed")
      ->option_text("'NAME: VALUE'")
      ->allow_extra_args(false);
  sub->add_option("--ca", probe.ca_file, "Trust this file of certificates (the system's)")
      ->option_text("FILE")
      ->check(CLI::ExistingFile);
  sub->add_flag("--insecure", probe.insecure, "Accept any certificate");
  sub->add_option("-o,--output", options.output,
                  "Into this file: .html, .md, .json or .txt (standard output)")
      ->option_text("FILE");
  sub->add_flag("--force", options.force, "Replace the file if it exists");
  sub->add_option("--format", options.format, "html, md, json or text, whatever its name")
      ->option_text("FORMAT")
      ->check(CLI::IsMember({"html", "md", "json", "text"}));
  sub->add_flag("--json", options.json, "The same as --format json");
}

}  // namespace netsonde
