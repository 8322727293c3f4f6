// SPDX-License-Identifier: Apache-2.0
#pragma once
// How a command asks the control plane and prints what it says. One thread.

#include <boost/json.hpp>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "controlplane/cli/api_client.h"
#include "controlplane/cli/commands.h"

namespace sallyport::cli {

// "?name=value&...", without those that are empty.
std::string query(const std::vector<std::pair<std::string, std::string>>& parameters);

// Prints the answer as it is, or as `show` makes it of its JSON; returns the exit code.
int print(const Outcome<ApiReply>& reply, const Options& options, const std::function<std::string(const boost::json::value&)>& show);

}  // namespace sallyport::cli
