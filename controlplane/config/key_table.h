// SPDX-License-Identifier: Apache-2.0
#pragma once
// Key: one row of the table that defines every key of the node file: where it stands, its type and bounds, unit, default, which
// role needs it, whether a reload applies it, one sentence. Validation, help and the reference page come from it alone.

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "controlplane/config/node_config.h"

namespace sallyport::config {

enum class Needed : uint8_t { optional, both, e_only, c_only };
enum class Applies : uint8_t { live, restart };

using Text = std::string*;
using Number = uint32_t*;
using TextList = std::vector<std::string>*;
using NumberList = std::vector<uint32_t>*;
using Target = std::variant<Text, Number, TextList, NumberList>;

struct Key {
  std::string_view section;     // "node"; "address" for each [[address]]
  std::string_view name;
  std::string_view unit;        // "s", "bytes", "" ...
  std::string_view sentence;
  Needed needed = Needed::optional;
  Applies applies = Applies::restart;
  uint32_t low = 0, high = 0;   // of numbers
  std::string_view choices;     // of texts: "packet|xdp|vfio"; empty: any
  std::function<Target(NodeConfig&)> target;  // for array sections: of the last element
};

std::span<const Key> key_table();
bool is_array_section(std::string_view section);

}  // namespace sallyport::config
