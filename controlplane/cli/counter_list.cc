// SPDX-License-Identifier: Apache-2.0
#include "controlplane/cli/counter_list.h"

#include <algorithm>
#include <boost/json.hpp>

#include "controlplane/cli/json_text.h"

namespace sallyport::cli {

namespace {

constexpr std::string_view prefix = "sallyport_";

}  // namespace

std::string CounterEntry::label(const std::string& which) const {
  const auto found = labels.find(which);
  return found == labels.end() ? "" : found->second;
}

std::string CounterEntry::text() const {
  std::string all;
  for (const auto& [label, value] : labels) all += (all.empty() ? "{" : ",") + label + "=" + value;
  return std::string(prefix) + name + all + (all.empty() ? "" : "}");
}

CounterList::CounterList(const boost::json::value& counters) {
  for (const boost::json::value& counter : items(counters)) {
    CounterEntry& entry = entries_.emplace_back();
    entry.name = at(counter, "name");
    if (entry.name.starts_with(prefix)) entry.name.erase(0, prefix.size());
    entry.value = number_at(counter, "value");
    const boost::json::object* labels = member(counter, "labels").if_object();
    if (labels == nullptr) continue;
    for (const auto& label : *labels) entry.labels[std::string(label.key())] = text_of(label.value());
  }
}

double CounterList::sum(std::string_view name, const std::string& label, const std::string& value) const {
  double total = 0;
  for (const CounterEntry& entry : entries_)
    if (entry.name == name && (label.empty() || entry.label(label) == value)) total += entry.value;
  return total;
}

std::vector<std::string> CounterList::values_of(std::string_view name, const std::string& label) const {
  std::vector<std::string> values;
  for (const CounterEntry& entry : entries_) {
    if (entry.name != name || !entry.labels.contains(label)) continue;
    const std::string value = entry.label(label);
    if (std::find(values.begin(), values.end(), value) == values.end()) values.push_back(value);
  }
  return values;
}

}  // namespace sallyport::cli
