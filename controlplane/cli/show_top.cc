// SPDX-License-Identifier: Apache-2.0
// How a TopPicture looks on a terminal.
#include <cstdio>

#include "controlplane/cli/text_table.h"
#include "controlplane/cli/top_picture.h"

namespace sallyport::cli {
namespace {

std::string with_unit(double value) {
  static constexpr const char* units[] = {"", " k", " M", " G", " T"};
  std::size_t unit = 0;
  while (value >= 9999.5 && unit + 1 < std::size(units)) {
    value /= 1000;
    ++unit;
  }
  char text[40];
  std::snprintf(text, sizeof text, value >= 100 || unit == 0 ? "%.0f%s" : "%.1f%s", value, units[unit]);
  return text;
}

std::string traffic(const char* label, double packets, double bits) {
  return std::string(label) + with_unit(packets) + " packets/s, " + with_unit(bits) + (bits >= 9999.5 ? "bit/s" : " bit/s") + "\n";
}

std::string section(const std::string& title, const TextTable& table, const char* if_empty) {
  return "\n" + title + "\n" + (table.is_empty() ? std::string("  ") + if_empty + "\n" : table.text("  "));
}

std::string workers_text(const TopPicture& picture) {
  TextTable table({"WORKER", "LOAD %", "IN packets/s", "OUT packets/s", "HANDED OVER/s"});
  for (const TopWorker& worker : picture.workers) {
    char load[16];
    std::snprintf(load, sizeof load, "%.1f", worker.load_percent);
    table.add({worker.worker, load, with_unit(worker.packets_in_per_s), with_unit(worker.packets_out_per_s), with_unit(worker.handed_over_per_s)});
  }
  return section("workers, steering " + printable(picture.steering.empty() ? "unknown" : picture.steering), table, "the dataplane is not connected");
}

std::string drops_text(const TopPicture& picture) {
  TextTable table({"REASON", "STAGE", "PACKETS/s"});
  for (const TopDrop& drop : picture.drops) table.add({drop.reason, drop.stage, with_unit(drop.per_s)});
  return section("drops", table, "none");
}

std::string flows_text(const TopPicture& picture) {
  TextTable table({"FLOW", "CALL", "DIRECTION", "PART", "PACKETS/s", "BIT/s", "LOST %", "JITTER ms", "MOS"});
  for (const TopFlow& flow : picture.busiest_flows)
    table.add({flow.flow, flow.call, flow.direction, flow.component, with_unit(flow.packets_per_s), with_unit(flow.bits_per_s), flow.loss_percent, flow.jitter_ms, flow.mos});
  return section("busiest flows, of " + std::to_string(picture.flows_seen) + " looked at", table, "no packets");
}

std::string calls_text(const std::string& title, const std::vector<TopCall>& calls, const char* if_empty) {
  TextTable table({"CALL", "MOS", "PACKETS/s", "BIT/s", "WORST LEG", "FROM", "TO"});
  for (const TopCall& call : calls) table.add({call.call, call.mos, with_unit(call.packets_per_s), with_unit(call.bits_per_s), call.worst_leg, call.from, call.to});
  return section(title, table, if_empty);
}

// Lines end before a character begins that would not fit: a continuation byte of UTF-8 takes no column.
std::string cut(const std::string& text, std::size_t columns, std::size_t rows) {
  std::string fitting;
  std::size_t column = 0, row = 0;
  for (const char c : text) {
    if (c == '\n') {
      if (rows != 0 && ++row == rows) return fitting;
      column = 0;
      fitting += c;
      continue;
    }
    if ((static_cast<unsigned char>(c) & 0xc0) != 0x80) ++column;
    if (columns == 0 || column <= columns) fitting += c;
  }
  return fitting;
}

std::string counted(const std::string& count, const std::string& noun) { return (count.empty() ? "0" : count) + " " + noun + (count == "1" ? "" : "s"); }

}  // namespace

std::string show_top(const TopPicture& picture, std::size_t columns, std::size_t rows) {
  char seconds[16];
  std::snprintf(seconds, sizeof seconds, "%.1f", picture.seconds);
  std::string text = printable(picture.node + " (" + picture.role + ") " + picture.state + ": " + counted(picture.calls, "call") + ", " + counted(picture.flows, "flow") + ", " +
                               counted(picture.registrations, "registration") + "; over " + seconds + " s") + "\n";
  text += traffic("in   ", picture.packets_in_per_s, picture.bits_in_per_s) + traffic("out  ", picture.packets_out_per_s, picture.bits_out_per_s);
  text += workers_text(picture) + drops_text(picture) + calls_text("worst calls, of " + std::to_string(picture.calls_seen) + " looked at", picture.worst_calls, "none is bad");
  text += calls_text("busiest calls", picture.busiest_calls, "no packets") + flows_text(picture);
  return cut(text, columns, rows);
}

}  // namespace sallyport::cli
