// SPDX-License-Identifier: Apache-2.0
#pragma once
// Where the values of a site document stand in it, so that whoever judges one can name the line. Plain values; a PasswordDraft has one owner.

#include <cstdint>
#include <map>
#include <string>

#include "controlplane/store/secret.h"

namespace sallyport::store {

struct Place {
  std::uint32_t line = 0, column = 0;
};
using Places = std::map<std::string, Place>;  // by key; "": the section

struct PlacedText {
  std::string text;
  Place place;
};

// A password or another secret: given, { keep = true }, or not there.
struct PasswordDraft {
  enum class Kind : std::uint8_t { absent, keep, given } kind = Kind::absent;
  Secret text;
};

}  // namespace sallyport::store
