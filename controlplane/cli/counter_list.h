// SPDX-License-Identifier: Apache-2.0
#pragma once
// CounterList: the answer of GET /v1/counters, added up by name and label. Owns copies of what it read; plain value.

#include <boost/json/value.hpp>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::cli {

struct CounterEntry {
  std::string name;  // without "sallyport_"
  std::map<std::string, std::string> labels;
  double value = 0;

  std::string label(const std::string& which) const;
  std::string text() const;  // "sallyport_name{label=value}"
};

class CounterList {
 public:
  CounterList() = default;
  explicit CounterList(const boost::json::value& counters);

  const std::vector<CounterEntry>& entries() const { return entries_; }
  // Sum of the entries of that name, and with that label where one is named.
  double sum(std::string_view name, const std::string& label = "", const std::string& value = "") const;
  // The values of a label that occur with that name, in their order of appearance.
  std::vector<std::string> values_of(std::string_view name, const std::string& label) const;

 private:
  std::vector<CounterEntry> entries_;
};

}  // namespace sallyport::cli
