// SPDX-License-Identifier: Apache-2.0
#include "controlplane/cli/top_picture.h"

#include <algorithm>
#include <boost/json.hpp>
#include <map>
#include <tuple>

#include "controlplane/cli/counter_list.h"
#include "controlplane/cli/json_text.h"

namespace sallyport::cli {
namespace {

namespace json = boost::json;

constexpr std::size_t most_drops = 8, most_flows = 10, most_calls = 8;

class Rates {
 public:
  Rates(const TopLook& before, const TopLook& now) : before_(before.counters), now_(now.counters), seconds_(std::max(now.at_s - before.at_s, 1e-3)) {}

  double of(std::string_view name, const std::string& label = "", const std::string& value = "") const {
    return between(before_.sum(name, label, value), now_.sum(name, label, value));
  }
  double between(double before, double now) const { return (now >= before ? now - before : now) / seconds_; }
  const CounterList& now() const { return now_; }
  double seconds() const { return seconds_; }

 private:
  CounterList before_, now_;
  double seconds_;
};

std::vector<TopWorker> workers_of(const Rates& rates) {
  std::vector<TopWorker> workers;
  const double tsc_hz = rates.now().sum("dataplane_tsc_hz");
  for (const std::string& worker : rates.now().values_of("dataplane_packets_in_total", "worker")) {
    TopWorker& entry = workers.emplace_back();
    entry.worker = worker;
    if (tsc_hz > 0) entry.load_percent = std::min(100 * rates.of("dataplane_stage_cycles_total", "worker", worker) / tsc_hz, 100.0);
    entry.packets_in_per_s = rates.of("dataplane_packets_in_total", "worker", worker);
    entry.packets_out_per_s = rates.of("dataplane_packets_out_total", "worker", worker);
    entry.handed_over_per_s = rates.of("dataplane_handed_over_total", "worker", worker);
  }
  return workers;
}

template <class Entry, class Key>
void keep_largest(std::vector<Entry>& entries, std::size_t count, Key key) {
  std::stable_sort(entries.begin(), entries.end(), [key](const Entry& a, const Entry& b) { return key(a) > key(b); });
  if (entries.size() > count) entries.resize(count);
}

std::vector<TopDrop> drops_of(const Rates& rates) {
  std::map<std::string, std::string> stage_of;
  for (const CounterEntry& entry : rates.now().entries())
    if (entry.name == "dataplane_drops_total") stage_of.try_emplace(entry.label("reason"), entry.label("stage"));
  std::vector<TopDrop> drops;
  for (const auto& [reason, stage] : stage_of) {
    const double per_s = rates.of("dataplane_drops_total", "reason", reason);
    if (per_s > 0) drops.push_back({reason, stage, per_s});
  }
  keep_largest(drops, most_drops, [](const TopDrop& drop) { return drop.per_s; });
  return drops;
}

// An index used anew is another flow.
std::string identity_of(const json::value& flow) { return at(flow, "index") + "." + at(flow, "generation"); }

std::vector<TopFlow> flows_of(const TopLook& before, const TopLook& now, const Rates& rates) {
  std::map<std::string, std::pair<double, double>> known;
  for (const json::value& flow : items(before.flows)) {
    const json::value& stream = member(flow, "stream");
    known[identity_of(flow)] = {number_at(stream, "packets"), number_at(stream, "bytes")};
  }
  std::vector<TopFlow> flows;
  for (const json::value& flow : items(now.flows)) {
    const json::value& stream = member(flow, "stream");
    const auto found = known.find(identity_of(flow));
    // Of one that was not there before no rate is known yet.
    const auto [packets, bytes] = found != known.end() ? found->second : std::pair{number_at(stream, "packets"), number_at(stream, "bytes")};
    const double packets_per_s = rates.between(packets, number_at(stream, "packets"));
    if (packets_per_s <= 0) continue;
    flows.push_back({at(flow, "index"), at(flow, "call"), at(stream, "direction"), at(stream, "component"), at(stream, "loss_percent"), at(stream, "jitter_ms"), at(stream, "mos"),
                     packets_per_s, 8 * rates.between(bytes, number_at(stream, "bytes"))});
  }
  return flows;
}

std::vector<TopCall> calls_of(const TopLook& now, const std::vector<TopFlow>& flows) {
  std::map<std::string, std::pair<double, double>> traffic;
  for (const TopFlow& flow : flows) {
    traffic[flow.call].first += flow.packets_per_s;
    traffic[flow.call].second += flow.bits_per_s;
  }
  std::vector<TopCall> calls;
  for (const json::value& call : items(now.calls)) {
    const auto [packets, bits] = traffic[at(call, "id")];
    calls.push_back({at(call, "id"), at(call, "from"), at(call, "to"), at(call, "mos"), at(call, "worst_leg"), packets, bits});
  }
  return calls;
}

json::value json_of(const TopCall& call) {
  return json::object{{"call", call.call}, {"from", call.from}, {"to", call.to}, {"mos", call.mos}, {"worst_leg", call.worst_leg},
                      {"packets_per_s", call.packets_per_s}, {"bits_per_s", call.bits_per_s}};
}

json::value json_of(const TopFlow& flow) {
  return json::object{{"flow", flow.flow}, {"call", flow.call}, {"direction", flow.direction}, {"component", flow.component}, {"loss_percent", flow.loss_percent},
                      {"jitter_ms", flow.jitter_ms}, {"mos", flow.mos}, {"packets_per_s", flow.packets_per_s}, {"bits_per_s", flow.bits_per_s}};
}

json::value json_of(const TopDrop& drop) { return json::object{{"reason", drop.reason}, {"stage", drop.stage}, {"per_s", drop.per_s}}; }

json::value json_of(const TopWorker& worker) {
  return json::object{{"worker", worker.worker}, {"load_percent", worker.load_percent}, {"packets_in_per_s", worker.packets_in_per_s},
                      {"packets_out_per_s", worker.packets_out_per_s}, {"handed_over_per_s", worker.handed_over_per_s}};
}

template <class Entry>
json::array list_of(const std::vector<Entry>& entries) {
  json::array list;
  for (const Entry& entry : entries) list.push_back(json_of(entry));
  return list;
}

}  // namespace

TopPicture picture_of(const TopLook& before, const TopLook& now) {
  const Rates rates(before, now);
  const json::value& dataplane = member(now.status, "dataplane");
  TopPicture picture;
  picture.node = at(now.status, "node");
  picture.role = at(now.status, "role");
  picture.state = at(now.status, "state");
  picture.steering = at(dataplane, "steering");
  picture.calls = at(now.status, "calls");
  picture.flows = at(dataplane, "flows");
  picture.registrations = at(now.status, "registrations");
  picture.seconds = rates.seconds();
  picture.packets_in_per_s = rates.of("dataplane_packets_in_total");
  picture.packets_out_per_s = rates.of("dataplane_packets_out_total");
  picture.bits_in_per_s = 8 * rates.of("dataplane_bytes_in_total");
  picture.bits_out_per_s = 8 * rates.of("dataplane_bytes_out_total");
  picture.workers = workers_of(rates);
  picture.drops = drops_of(rates);
  picture.busiest_flows = flows_of(before, now, rates);
  picture.flows_seen = items(now.flows).size();
  picture.calls_seen = items(now.calls).size();
  std::vector<TopCall> calls = calls_of(now, picture.busiest_flows);
  keep_largest(picture.busiest_flows, most_flows, [](const TopFlow& flow) { return flow.packets_per_s; });
  picture.busiest_calls = calls;
  std::erase_if(picture.busiest_calls, [](const TopCall& call) { return call.packets_per_s == 0; });
  keep_largest(picture.busiest_calls, most_calls, [](const TopCall& call) { return call.packets_per_s; });
  picture.worst_calls = std::move(calls);
  std::erase_if(picture.worst_calls, [](const TopCall& call) { return call.worst_leg.empty(); });
  // Without a MOS (video alone) behind those that have one.
  keep_largest(picture.worst_calls, most_calls, [](const TopCall& call) { return call.mos.empty() ? -5 : -std::atof(call.mos.c_str()); });
  return picture;
}

json::value to_json(const TopPicture& picture) {
  return json::object{{"node", picture.node}, {"role", picture.role}, {"state", picture.state}, {"steering", picture.steering}, {"seconds", picture.seconds},
                      {"packets_in_per_s", picture.packets_in_per_s}, {"packets_out_per_s", picture.packets_out_per_s}, {"bits_in_per_s", picture.bits_in_per_s},
                      {"bits_out_per_s", picture.bits_out_per_s}, {"workers", list_of(picture.workers)}, {"drops", list_of(picture.drops)},
                      {"busiest_flows", list_of(picture.busiest_flows)}, {"busiest_calls", list_of(picture.busiest_calls)}, {"worst_calls", list_of(picture.worst_calls)},
                      {"flows_seen", picture.flows_seen}, {"calls_seen", picture.calls_seen}};
}

}  // namespace sallyport::cli
