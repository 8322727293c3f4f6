// SPDX-License-Identifier: Apache-2.0
// `sallyport upgrade`: asks the control plane to give way to another program and waits until that one answers.
#include <boost/json.hpp>
#include <chrono>
#include <filesystem>
#include <iostream>
#include <thread>

#include "controlplane/cli/api_client.h"
#include "controlplane/cli/commands.h"
#include "controlplane/cli/dialogue.h"
#include "controlplane/cli/show.h"

namespace sallyport::cli {
namespace {

namespace json = boost::json;
constexpr auto patience = std::chrono::seconds(30);
constexpr auto look_interval = std::chrono::milliseconds(50);

// Which control plane answers; empty: none.
std::string instance_of(const ApiClient& client) {
  const auto reply = client.get("/v1/status");
  if (!reply || reply->status >= 400) return "";
  json::error_code error;
  const json::value status = json::parse(reply->body, error);
  const json::value* field = !error && status.is_object() ? status.get_object().if_contains("instance") : nullptr;
  return field == nullptr ? "" : json::serialize(*field);
}

}  // namespace

int run_upgrade(const Options& options) {
  const ApiClient client(options.endpoint);
  const std::string before = instance_of(client);
  std::string target = "/v1/upgrade";
  if (!options.argument.empty()) target += "?binary=" + ApiClient::encode(std::filesystem::absolute(options.argument).string());
  const auto reply = client.post(target, "");
  if (!reply) return complain(reply.fault().text(), exit_unreachable);
  if (reply->status >= 400) {
    if (options.json) std::cout << reply->body;
    return complain(error_text(reply->body, reply->status), reply->status >= 500 ? exit_error : exit_negative);
  }
  const auto end = std::chrono::steady_clock::now() + patience;
  for (;;) {
    const std::string now = instance_of(client);
    if (!now.empty() && now != before) break;
    if (std::chrono::steady_clock::now() >= end) return complain("the new control plane does not answer after 30 s; see its log, media goes on", exit_unreachable);
    std::this_thread::sleep_for(look_interval);
  }
  const json::value done = json::parse(reply->body);
  if (options.json) std::cout << reply->body;
  else std::cout << done.at("binary").as_string().c_str() << " took over: " << done.at("from").as_string().c_str() << " gave way to " << done.at("to").as_string().c_str() << "\n";
  return exit_done;
}

}  // namespace sallyport::cli
