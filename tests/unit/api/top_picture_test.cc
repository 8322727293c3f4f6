// SPDX-License-Identifier: Apache-2.0
#include "controlplane/cli/top_picture.h"

#include <gmock/gmock.h>

#include <boost/json.hpp>

namespace sallyport::cli {
namespace {

namespace json = boost::json;
using testing::HasSubstr;

json::value counter(const char* name, double value, json::object labels = {}) {
  return json::object{{"name", std::string("sallyport_") + name}, {"labels", std::move(labels)}, {"value", value}};
}

json::value flow(int index, int generation, const char* call, double packets, double bytes) {
  return json::object{{"index", index}, {"generation", generation}, {"call", call},
                      {"stream", json::object{{"direction", "from_client"}, {"component", "rtp"}, {"packets", packets}, {"bytes", bytes}, {"mos", 4.1}}}};
}

json::value call(const char* id, json::value mos, const char* worst) {
  return json::object{{"id", id}, {"from", "sip:a@example.com"}, {"to", "sip:b@example.com"}, {"mos", std::move(mos)}, {"worst_leg", worst}};
}

TopLook look(double at_s, double packets, double replays, double cycles, json::array flows) {
  TopLook look;
  look.at_s = at_s;
  look.status = json::object{{"node", "c1"}, {"role", "C"}, {"state", "ready"}, {"calls", 3}, {"registrations", 9}, {"dataplane", json::object{{"flows", 12}, {"steering", "rss"}}}};
  look.counters = json::array{counter("dataplane_packets_in_total", packets, {{"worker", "0"}}), counter("dataplane_packets_out_total", packets, {{"worker", "0"}}),
                              counter("dataplane_bytes_in_total", packets * 200, {{"worker", "0"}}), counter("dataplane_tsc_hz", 2.6e9),
                              counter("dataplane_stage_cycles_total", cycles, {{"worker", "0"}, {"stage", "open"}}),
                              counter("dataplane_drops_total", replays, {{"worker", "0"}, {"stage", "open"}, {"reason", "replay"}}),
                              counter("dataplane_drops_total", 7, {{"worker", "0"}, {"stage", "parse"}, {"reason", "not_ours"}})};
  look.flows = std::move(flows);
  look.calls = json::array{call("aa", 4.2, ""), call("bb", 3.1, "outside leg, from the phone: 9.0 % lost"), call("cc", 2.2, "inside leg, to the phone: 20.0 % lost")};
  return look;
}

const TopLook before = look(10, 1000, 5, 0, {flow(1, 1, "aa", 100, 20000), flow(2, 1, "bb", 100, 20000), flow(3, 1, "cc", 50, 100)});
const TopLook now = look(12, 5000, 25, 1.3e9, {flow(1, 1, "aa", 200, 40000), flow(2, 1, "bb", 500, 100000), flow(3, 2, "cc", 400, 800), flow(4, 1, "cc", 400, 800)});

TEST(TopPicture, RatesAreOfTheTimeBetweenTwoLooks) {
  const TopPicture picture = picture_of(before, now);
  EXPECT_EQ(picture.packets_in_per_s, 2000);
  EXPECT_EQ(picture.bits_in_per_s, 2000 * 200 * 8);
  ASSERT_EQ(picture.workers.size(), 1u);
  EXPECT_NEAR(picture.workers[0].load_percent, 25, 1e-9) << "1.3 G cycles in 2 s of 2.6 GHz";
  ASSERT_EQ(picture.drops.size(), 1u) << "what stands still is left out";
  EXPECT_EQ(picture.drops[0].reason, "replay");
  EXPECT_EQ(picture.drops[0].per_s, 10);
}

TEST(TopPicture, BusiestComeFirstAndAnIndexUsedAnewIsAnotherFlow) {
  const TopPicture picture = picture_of(before, now);
  ASSERT_EQ(picture.busiest_flows.size(), 2u);
  EXPECT_EQ(picture.busiest_flows[0].flow, "2");
  EXPECT_EQ(picture.busiest_flows[0].packets_per_s, 200);
  EXPECT_EQ(picture.busiest_flows[0].bits_per_s, 320000);
  ASSERT_EQ(picture.busiest_calls.size(), 2u);
  EXPECT_EQ(picture.busiest_calls[0].call, "bb");
  ASSERT_EQ(picture.worst_calls.size(), 2u) << "only those with a bad leg";
  EXPECT_EQ(picture.worst_calls[0].call, "cc");
}

TEST(TopPicture, CounterThatBeganAnewCountsFromZero) {
  EXPECT_EQ(picture_of(now, look(14, 600, 2, 0, {})).packets_in_per_s, 300);
}

TEST(TopPicture, FitsTheTerminalAndShowsAllWithoutOne) {
  const TopPicture picture = picture_of(before, now);
  const std::string whole = show_top(picture, 0, 0);
  for (const char* word : {"c1 (C) ready: 3 calls, 12 flows, 9 registrations; over 2.0 s", "in   2000 packets/s, 3200 kbit/s", "steering rss", "25.0", "replay", "worst calls",
                           "inside leg, to the phone: 20.0 % lost", "worst calls, of 3 looked at", "busiest calls", "busiest flows, of 4 looked at", "320 k"}) {
    EXPECT_THAT(whole, HasSubstr(word));
  }
  const std::string small = show_top(picture, 20, 5);
  EXPECT_LE(std::count(small.begin(), small.end(), '\n'), 5);
  for (std::size_t from = 0; from < small.size();) {
    const std::size_t end = std::min(small.find('\n', from), small.size());
    EXPECT_LE(end - from, 20u);
    from = end + 1;
  }
}

TEST(TopPicture, AnswersOfAnotherVersionAreShownAsFarAsTheyGo) {
  EXPECT_THAT(show_top(picture_of({}, {}), 80, 24), HasSubstr("the dataplane is not connected"));
  TopLook odd;
  odd.counters = "text";
  odd.flows = json::object{};
  odd.calls = json::array{1, nullptr};
  EXPECT_THAT(show_top(picture_of(odd, odd), 80, 24), HasSubstr("none is bad"));
}

}  // namespace
}  // namespace sallyport::cli
