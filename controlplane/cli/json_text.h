// SPDX-License-Identifier: Apache-2.0
#pragma once
// Reading the control plane's JSON answers for people. A member that is missing, or of another kind, reads as empty or zero, so that an
// older node can still be shown. Pure functions; references live as long as the value they are of.

#include <boost/json/value.hpp>
#include <string>
#include <string_view>

namespace sallyport::cli {

const boost::json::value& member(const boost::json::value& object, std::string_view name);
const boost::json::array& items(const boost::json::value& value);
std::string text_of(const boost::json::value& value);  // numbers with two digits at most, lists with commas
std::string at(const boost::json::value& object, std::string_view name);
double number_at(const boost::json::value& object, std::string_view name);
std::string number_text(double number);

}  // namespace sallyport::cli
