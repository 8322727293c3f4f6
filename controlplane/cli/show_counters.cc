// SPDX-License-Identifier: Apache-2.0
// `sallyport counters`: the dataplane by stage, drop reason and worker, then every other counter by its name.
#include <algorithm>
#include <cstdio>

#include "controlplane/cli/counter_list.h"
#include "controlplane/cli/json_text.h"
#include "controlplane/cli/show.h"
#include "controlplane/cli/text_table.h"
#include "dataplane/abi/drop_reason.h"

namespace sallyport::cli {
namespace {

constexpr std::string_view stage_packets = "dataplane_stage_packets_total", stage_cycles = "dataplane_stage_cycles_total", drops = "dataplane_drops_total",
                           steering = "dataplane_steering", tsc = "dataplane_tsc_hz";

// What the table of workers shows; with those above, they are not repeated in the list.
constexpr std::pair<const char*, std::string_view> worker_columns[] = {
    {"PACKETS IN", "dataplane_packets_in_total"},  {"PACKETS OUT", "dataplane_packets_out_total"}, {"BYTES IN", "dataplane_bytes_in_total"},
    {"BYTES OUT", "dataplane_bytes_out_total"},    {"HANDED OVER", "dataplane_handed_over_total"}, {"POLLS", "dataplane_polls_total"},
    {"EMPTY POLLS", "dataplane_empty_polls_total"}, {"SLEEPS", "dataplane_sleeps_total"},
};

bool is_shown_apart(std::string_view name) {
  for (const std::string_view each : {stage_packets, stage_cycles, drops, steering, tsc})
    if (name == each) return true;
  return std::any_of(std::begin(worker_columns), std::end(worker_columns), [name](const auto& column) { return column.second == name; });
}

std::string count_text(double count) {
  char text[40];
  std::snprintf(text, sizeof text, "%.0f", count);
  return text;
}

std::string by_stage(const CounterList& counters) {
  TextTable table({"STAGE", "PACKETS", "CYCLES A PACKET", "DROPS"});
  for (const std::string& stage : counters.values_of(stage_packets, "stage")) {
    const double packets = counters.sum(stage_packets, "stage", stage), cycles = counters.sum(stage_cycles, "stage", stage);
    table.add({stage, count_text(packets), packets > 0 ? count_text(cycles / packets) : "", count_text(counters.sum(drops, "stage", stage))});
  }
  return table.is_empty() ? "" : "stages\n" + table.text("  ") + "\n";
}

std::string meaning_of(const std::string& reason) {
  for (const abi::DropReasonInfo& info : abi::drop_reason_info)
    if (info.name == reason) return info.help;
  return "";
}

std::string by_reason(const CounterList& counters, bool with_zeroes) {
  TextTable table({"REASON", "STAGE", "PACKETS", "MEANS"});
  for (const std::string& reason : counters.values_of(drops, "reason")) {
    const double packets = counters.sum(drops, "reason", reason);
    if (packets == 0 && !with_zeroes) continue;
    const auto& entries = counters.entries();
    const auto entry = std::find_if(entries.begin(), entries.end(), [&](const CounterEntry& each) { return each.name == drops && each.label("reason") == reason; });
    table.add({reason, entry->label("stage"), count_text(packets), meaning_of(reason)});
  }
  return "drops\n" + (table.is_empty() ? "  none\n" : table.text("  ")) + "\n";
}

std::string by_worker(const CounterList& counters) {
  std::vector<std::string> titles{"WORKER"};
  for (const auto& [title, name] : worker_columns) titles.emplace_back(title);
  TextTable table(titles);
  for (const std::string& worker : counters.values_of(worker_columns[0].second, "worker")) {
    std::vector<std::string> row{worker};
    for (const auto& [title, name] : worker_columns) row.push_back(count_text(counters.sum(name, "worker", worker)));
    table.add(std::move(row));
  }
  if (table.is_empty()) return "";
  std::string text = "workers\n" + table.text("  ");
  for (const CounterEntry& entry : counters.entries())
    if (entry.name == steering) text += "  steering in force: " + printable(entry.label("steering")) + "\n";
  return text + "\n";
}

}  // namespace

std::string show_counters(const boost::json::value& answer, bool with_zeroes) {
  const CounterList counters(answer);
  TextTable others({"COUNTER", "VALUE"});
  for (const CounterEntry& entry : counters.entries())
    if (!is_shown_apart(entry.name) && (entry.value != 0 || with_zeroes)) others.add({entry.text(), number_text(entry.value)});
  const bool has_dataplane = !counters.values_of(drops, "reason").empty();
  std::string text = has_dataplane ? by_stage(counters) + by_reason(counters, with_zeroes) + by_worker(counters) : "dataplane\n  not connected\n\n";
  text += others.is_empty() ? "every other counter is zero; --all shows them\n" : others.text();
  return text;
}

}  // namespace sallyport::cli
