// SPDX-License-Identifier: Apache-2.0
#pragma once
// What E and C say to each other in lines of JSON (RFC 8259), one object each: reading a line within limits, and a Fault as a member "error", so
// that what one node refused is told by the other in the same words. Pure functions.

#include <boost/json/object.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "dataplane/abi/fault.h"

namespace sallyport::zones {

inline constexpr std::size_t json_word_limit_bytes = 255, json_text_limit_bytes = 16 << 10, json_line_limit_bytes = 32 << 10;

// At most four levels deep. subject: of the Fault.
Outcome<boost::json::object> parse_json_line(std::string_view line, const char* subject);
// False: it is there and no text, or longer than the limit. What is not there leaves text as it was.
bool take_text(const boost::json::object& object, std::string_view name, std::size_t limit_bytes, std::string& text);

boost::json::object fault_object(const Fault& fault);  // {"error": {...}}
// nullopt: the object holds no error. An error that is none is Fault `odd`.
std::optional<Fault> fault_of(const boost::json::object& object, const Fault& odd);

}  // namespace sallyport::zones
