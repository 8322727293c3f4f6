// SPDX-License-Identifier: Apache-2.0
#pragma once
// The OPTIONS by which C authenticates at E and keeps the zone alive, or E asks C, and C's answer to E's digest challenge. Pure functions but
// for random tokens; any thread.

#include <cstdint>
#include <optional>
#include <string>

#include "controlplane/sip/message.h"

namespace sallyport::zones {

struct OptionsWish {
  std::string peer;      // to whom: on C as configured
  uint16_t port = 7001;
  std::string username;  // empty: none in From
  std::string own_host;
  uint32_t cseq = 1;
  std::string extra_lines;  // whole header lines, such as Authorization
};

// Everything but a Via.
std::string write_options(const OptionsWish& wish);

// The Authorization line for the first challenge of a 401 we can answer, which is the strongest: E sends SHA-256 before MD5.
// algorithm, if given, is told which one that was. nullopt: no challenge with a known algorithm.
std::optional<std::string> authorization_line(const sip::Message& response, const OptionsWish& wish, const std::string& password,
                                              std::string* algorithm = nullptr);

uint32_t random_draw();
std::string random_token();

}  // namespace sallyport::zones
