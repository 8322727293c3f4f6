// SPDX-License-Identifier: Apache-2.0
#include "controlplane/cli/reply.h"

#include <iostream>

#include "controlplane/cli/dialogue.h"
#include "controlplane/cli/show.h"

namespace sallyport::cli {

namespace json = boost::json;

std::string query(const std::vector<std::pair<std::string, std::string>>& parameters) {
  std::string text;
  for (const auto& [name, value] : parameters)
    if (!value.empty()) text += (text.empty() ? "?" : "&") + name + "=" + ApiClient::encode(value);
  return text;
}

int print(const Outcome<ApiReply>& reply, const Options& options, const std::function<std::string(const json::value&)>& show) {
  if (!reply) return complain(reply.fault().text(), exit_unreachable);
  if (reply->status >= 400) {
    if (options.json) std::cout << reply->body;
    const bool is_refusal = reply->status != 404 && reply->status < 500;
    return complain(error_text(reply->body, reply->status), is_refusal ? exit_negative : exit_error);
  }
  if (options.json || show == nullptr) {
    std::cout << reply->body;
    return exit_done;
  }
  json::error_code error;
  const json::value value = json::parse(reply->body, error);
  if (error) return complain("the control plane's answer is not JSON: " + error.message() + "; are both of the same version?", exit_error);
  std::cout << show(value);
  return exit_done;
}

}  // namespace sallyport::cli
