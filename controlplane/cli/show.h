// SPDX-License-Identifier: Apache-2.0
#pragma once
// What an operator reads of the control plane's JSON answers; without --json each command prints one of these. Pure functions.
// A member that is missing reads as empty, so that an older node can still be shown.

#include <boost/json/value.hpp>
#include <string>

namespace sallyport::cli {

std::string show_status(const boost::json::value& status);
std::string show_zones(const boost::json::value& zones);
std::string show_registrations(const boost::json::value& registrations);
std::string show_calls(const boost::json::value& calls);
std::string show_call(const boost::json::value& call);
std::string show_flows(const boost::json::value& flows);
std::string show_counters(const boost::json::value& counters, bool with_zeroes);
std::string show_tests(const boost::json::value& tests);
std::string show_discovery(const boost::json::value& tests);
std::string show_plan(const boost::json::value& plan);
std::string show_history(const boost::json::value& history);
std::string show_log_line(const boost::json::value& line);
std::string error_text(const std::string& body, unsigned status);  // of {"error": {...}}
bool all_tests_passed(const boost::json::value& tests);

}  // namespace sallyport::cli
