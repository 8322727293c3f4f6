// SPDX-License-Identifier: Apache-2.0
#pragma once
// What most commands do with the control plane's answer, and how they ask for it.

#include <boost/json/value.hpp>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "controlplane/cli/api_client.h"
#include "controlplane/cli/commands.h"

namespace sallyport::cli {

// "?name=value&..." of those that have a value; empty: none has.
std::string query(const std::vector<std::pair<std::string, std::string>>& parameters);
// Prints the answer as it is, or as `show` makes it of its JSON; returns the exit code.
int print(const Outcome<ApiReply>& reply, const Options& options, const std::function<std::string(const boost::json::value&)>& show);

}  // namespace sallyport::cli
