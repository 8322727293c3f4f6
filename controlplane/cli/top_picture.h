// SPDX-License-Identifier: Apache-2.0
#pragma once
// TopPicture: what `sallyport top` shows, made of two looks at a node. Rates are per second between the two; a counter that went back
// (the dataplane began anew) counts from zero. Lists are short and sorted. Plain values, pure functions.

#include <boost/json/value.hpp>
#include <string>
#include <vector>

namespace sallyport::cli {

// Answers of /v1/status, counters, flows and calls, asked for one after the other.
struct TopLook {
  double at_s = 0;  // by a monotonic clock
  boost::json::value status, counters, flows, calls;
};

struct TopWorker {
  std::string worker;
  double load_percent = 0;  // of its core: cycles in stages
  double packets_in_per_s = 0, packets_out_per_s = 0, handed_over_per_s = 0;
};

struct TopDrop {
  std::string reason, stage;
  double per_s = 0;
};

struct TopFlow {
  std::string flow, call, direction, component, loss_percent, jitter_ms, mos;
  double packets_per_s = 0, bits_per_s = 0;
};

struct TopCall {
  std::string call, from, to, mos, worst_leg;
  double packets_per_s = 0, bits_per_s = 0;
};

struct TopPicture {
  std::string node, role, state, steering;
  std::string calls, flows, registrations;
  double seconds = 0;
  double packets_in_per_s = 0, packets_out_per_s = 0, bits_in_per_s = 0, bits_out_per_s = 0;
  std::vector<TopWorker> workers;
  std::vector<TopDrop> drops;
  std::vector<TopFlow> busiest_flows;
  std::vector<TopCall> busiest_calls, worst_calls;
  std::size_t flows_seen = 0, calls_seen = 0;  // the node's lists are limited: others were not looked at
};

TopPicture picture_of(const TopLook& before, const TopLook& now);
boost::json::value to_json(const TopPicture& picture);
// As wide and high as asked for; 0: unlimited.
std::string show_top(const TopPicture& picture, std::size_t columns, std::size_t rows);

}  // namespace sallyport::cli
