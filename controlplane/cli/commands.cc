// SPDX-License-Identifier: Apache-2.0
#include "controlplane/cli/commands.h"

#include <boost/json.hpp>
#include <functional>
#include <iostream>

#include "controlplane/cli/api_client.h"
#include "controlplane/cli/dialogue.h"
#include "controlplane/cli/show.h"
#include "controlplane/cli/site_files.h"
#include "controlplane/config/config_key.h"
#include "controlplane/config/node_file.h"

namespace sallyport::cli {
namespace {

namespace json = boost::json;
using Show = std::function<std::string(const json::value&)>;
constexpr std::uint32_t test_patience_s = 90;

int complain_unreachable(const Fault& fault) { return complain(fault.text(), exit_unreachable); }

// Prints an answer as it is or as a person reads it; nullopt-like: parsed is null if it was an error.
int print_reply(const ApiReply& reply, const Options& options, const Show& show, json::value& parsed) {
  if (reply.status >= 400) {
    if (options.json) std::cout << reply.body;
    return complain(error_text(reply.body, reply.status), exit_error);
  }
  json::error_code error;
  parsed = json::parse(reply.body, error);
  if (error) return complain("the control plane's answer is not JSON: " + error.message() + "; are both of the same version?", exit_error);
  std::cout << (options.json ? reply.body : show(parsed));
  return exit_done;
}

int print_get(const std::string& target, const Options& options, const Show& show) {
  auto reply = ApiClient(options.endpoint).get(target);
  if (!reply) return complain_unreachable(reply.fault());
  json::value parsed;
  return print_reply(*reply, options, show, parsed);
}

std::string limit_of(const Options& options) { return "?limit=" + std::to_string(options.limit); }

// A plan that was refused comes with a status of its own and is shown like any other.
struct PlanReply {
  int code = exit_done;
  std::string body;
  json::value plan;
  bool is_refused = false;
};

PlanReply ask_for_plan(const Options& options, const std::string& document, bool dry_run) {
  PlanReply result;
  std::string target = "/v1/apply?file=" + ApiClient::encode(options.argument) + (dry_run ? "&dry_run=1" : "");
  auto reply = ApiClient(options.endpoint).post(target, document);
  if (!reply) {
    result.code = complain_unreachable(reply.fault());
    return result;
  }
  json::error_code error;
  result.body = reply->body;
  result.plan = json::parse(reply->body, error);
  bool is_plan = !error && result.plan.is_object() && result.plan.get_object().contains("refusals");
  result.is_refused = reply->status >= 400;
  if (is_plan) return result;
  result.code = complain(error_text(reply->body, reply->status), exit_error);
  return result;
}

bool has_lines(const json::value& plan) {
  const json::value* lines = plan.get_object().if_contains("lines");
  return lines && lines->is_array() && !lines->get_array().empty();
}

json::value json_of(const config::Finding& finding) {
  return json::object{{"file", finding.file}, {"line", finding.line}, {"column", finding.column}, {"key", finding.key}, {"cause", finding.cause}, {"remedy", finding.remedy}, {"text", finding.text()}};
}

json::array json_of(const config::Findings& findings) {
  json::array list;
  for (const config::Finding& finding : findings) list.push_back(json_of(finding));
  return list;
}

// Tests of everything, or of what the argument names; a failed one is the exit code.
int run_tests(const std::string& path, const std::string& parameter, const Options& options, std::string (*show)(const json::value&)) {
  const std::string target = path + (options.argument.empty() ? "" : "?" + parameter + "=" + ApiClient::encode(options.argument));
  const auto reply = ApiClient(options.endpoint).post(target, "", test_patience_s);
  if (!reply) return complain_unreachable(reply.fault());
  json::value tests;
  const int code = print_reply(*reply, options, show, tests);
  return code != exit_done || all_tests_passed(tests) ? code : static_cast<int>(exit_negative);
}

}  // namespace

int run_status(const Options& options) { return print_get("/v1/status", options, show_status); }
int run_zones(const Options& options) { return print_get("/v1/zones", options, show_zones); }
int run_registrations(const Options& options) { return print_get("/v1/registrations" + limit_of(options), options, show_registrations); }
int run_calls(const Options& options) { return print_get("/v1/calls" + limit_of(options) + "&quality=1" + (options.active ? "&active=1" : ""), options, show_calls); }
int run_call(const Options& options) { return print_get("/v1/calls/" + ApiClient::encode(options.argument), options, show_call); }
int run_flows(const Options& options) { return print_get("/v1/flows" + limit_of(options), options, show_flows); }
int run_history(const Options& options) { return print_get("/v1/history" + limit_of(options), options, show_history); }

int run_counters(const Options& options) {
  return print_get("/v1/counters", options, [&](const json::value& counters) { return show_counters(counters, options.all); });
}

int run_traversal_test(const Options& options) { return run_tests("/v1/traversal/test", "zone", options, show_tests); }
int run_discovery_test(const Options& options) { return run_tests("/v1/discovery/test", "domain", options, show_discovery); }

int run_apply(const Options& options) {
  std::string document;
  if (!read_file(options.argument, document)) return complain_unreadable(options.argument);
  if (const auto attached = attach_files(document, options.argument); !attached) return complain(attached.fault().text(), exit_error);
  PlanReply planned = ask_for_plan(options, document, true);
  if (planned.code != exit_done) return planned.code;
  if (planned.is_refused || options.dry_run || !has_lines(planned.plan)) {
    std::cout << (options.json ? planned.body : show_plan(planned.plan));
    return planned.is_refused ? exit_negative : exit_done;
  }
  if (!options.json) std::cout << show_plan(planned.plan);
  if (!options.json && !is_confirmed(options, "apply this?")) return complain("not applied, nothing was changed", exit_negative);
  PlanReply applied = ask_for_plan(options, document, false);
  if (applied.code != exit_done) return applied.code;
  if (options.json) std::cout << applied.body;
  // Somebody else may have changed the site since the plan was shown.
  else if (applied.is_refused || applied.plan.at("lines") != planned.plan.at("lines")) std::cout << "the site changed meanwhile; what was done is:\n" << show_plan(applied.plan);
  if (applied.is_refused) return exit_negative;
  if (!options.json) std::cout << "applied, revision " << applied.plan.at("revision") << "\n";
  return exit_done;
}

int run_export(const Options& options) {
  auto reply = ApiClient(options.endpoint).get("/v1/export");
  if (!reply) return complain_unreachable(reply.fault());
  if (reply->status >= 400) return complain(error_text(reply->body, reply->status), exit_error);
  if (options.json) std::cout << json::serialize(json::object{{"document", reply->body}}) << "\n";
  else std::cout << reply->body;
  return exit_done;
}

int run_logs(const Options& options) {
  std::string target = "/v1/logs?lines=" + std::to_string(options.lines);
  auto show = [&](const json::value& line) { return options.json ? json::serialize(line) + "\n" : show_log_line(line); };
  if (!options.follow) {
    return print_get(target, options, [&](const json::value& lines) {
      std::string text;
      if (const json::array* list = lines.if_array()) {
        for (const json::value& line : *list) text += show_log_line(line);
      }
      return text;
    });
  }
  auto followed = ApiClient(options.endpoint).follow(target + "&follow=1", [&](std::string_view text) {
    json::error_code error;
    json::value line = json::parse(json::string_view(text.data(), text.size()), error);
    if (!error) std::cout << show(line) << std::flush;
    return std::cout.good();
  });
  return followed ? exit_done : complain_unreachable(followed.fault());
}

int run_check_config(const Options& options) {
  config::NodeFileResult result = config::check_node_file(options.argument);
  bool valid = result.config != nullptr;
  if (options.json) {
    std::cout << json::serialize(json::object{{"file", options.argument}, {"valid", valid}, {"errors", json_of(result.errors)}, {"warnings", json_of(result.warnings)}}) << "\n";
    return valid ? exit_done : exit_negative;
  }
  for (const config::Finding& finding : result.errors) std::cout << "error: " << finding.text() << "\n";
  for (const config::Finding& finding : result.warnings) std::cout << "warning: " << finding.text() << "\n";
  if (valid) std::cout << options.argument << ": valid, node " << result.config->node.name << ", role " << config::name_of(result.config->node.role) << "\n";
  return valid ? exit_done : exit_negative;
}

int run_keys(const Options& options) {
  if (options.markdown) {
    std::cout << config::configuration_page();
    return exit_done;
  }
  std::string help = config::configuration_help(options.argument);
  if (help.empty()) return complain("there is no section " + options.argument + "; `sallyport keys` lists all", exit_usage);
  std::cout << help;
  return exit_done;
}

}  // namespace sallyport::cli
