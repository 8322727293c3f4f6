// SPDX-License-Identifier: Apache-2.0
#pragma once
// Problem: what an authority says when it refuses (RFC 7807 with RFC 8555 6.7), reduced to text that may be shown and logged:
// printable, bounded, with its subproblems. Hostile input; plain value; any thread.

#include <boost/json/fwd.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dataplane/abi/fault.h"

namespace sallyport::acme {

struct Subproblem {
  std::string name;  // the identifier it is about
  std::string type, detail;
};

struct Problem {
  std::string type;    // "badNonce", without ACME's URN; a foreign type in full
  std::string detail;  // the authority's own words
  unsigned status = 0;
  std::vector<Subproblem> subproblems;  // the first eight

  // "the authority refuses it: DETAIL (rateLimited, HTTP 429); a.example: DETAIL (caa)"
  std::string text() const;
  // subject: "authority le: order for a.example". The remedy follows from the type.
  Fault fault(std::string subject) const;
};

// What may be shown of text that others wrote: printable, on one line, at most so long.
std::string shown(std::string_view text, size_t limit_bytes = 400);

Problem read_problem(const boost::json::object& object);
// Of an answer that refuses: its problem document; without one, what else can be said of it.
Problem problem_of(unsigned status, std::string_view media_type, std::string_view body);

}  // namespace sallyport::acme
