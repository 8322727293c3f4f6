// SPDX-License-Identifier: Apache-2.0
#include "drivers/neighbour.h"

#include <gtest/gtest.h>
#include <linux/neighbour.h>
#include <sys/socket.h>

namespace sallyport::test {
namespace {

using drivers::NeighbourState;
using drivers::NetlinkMessage;
using drivers::NetlinkRequest;

std::vector<uint8_t> neighbour_message(uint16_t type, uint16_t state, bool with_mac) {
  NetlinkRequest<ndmsg> message(type, 0);
  message.body().ndm_family = AF_INET;
  message.body().ndm_ifindex = 3;
  message.body().ndm_state = state;
  const uint8_t ip[] = {192, 0, 2, 1}, mac[] = {2, 0, 0, 0, 0, 5};
  message.attribute(NDA_DST, ip, sizeof ip);
  if (with_mac) message.attribute(NDA_LLADDR, mac, sizeof mac);
  const auto bytes = message.bytes();
  return {bytes.begin(), bytes.end()};
}

TEST(Neighbour, StatesOfTheKernelAreJudged) {
  const struct {
    const char* sentence;
    uint16_t type, state;
    bool with_mac;
    NeighbourState expected;
  } rows[] = {
      {"reachable", RTM_NEWNEIGH, NUD_REACHABLE, true, NeighbourState::usable},
      {"permanent", RTM_NEWNEIGH, NUD_PERMANENT, true, NeighbourState::usable},
      {"stale is still the best there is", RTM_NEWNEIGH, NUD_STALE, true, NeighbourState::stale},
      {"incomplete has no address", RTM_NEWNEIGH, NUD_INCOMPLETE, false, NeighbourState::absent},
      {"nobody answers", RTM_NEWNEIGH, NUD_FAILED, false, NeighbourState::failed},
      {"removed", RTM_DELNEIGH, NUD_REACHABLE, true, NeighbourState::absent},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.sentence);
    const auto bytes = neighbour_message(row.type, row.state, row.with_mac);
    const auto neighbour = drivers::read_neighbour(NetlinkMessage(bytes));
    ASSERT_TRUE(neighbour);
    EXPECT_EQ(neighbour->state, row.expected);
    EXPECT_EQ(neighbour->ip.bytes[0], 192);
    EXPECT_EQ(neighbour->interface_index, 3u);
  }
}

TEST(Neighbour, TruncatedMessagesAreReadToTheirEndOnly) {
  const auto whole = neighbour_message(RTM_NEWNEIGH, NUD_REACHABLE, true);
  for (size_t length = 0; length < whole.size(); ++length) {
    const std::vector<uint8_t> part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length));
    for (auto message : drivers::NetlinkMessages(part)) drivers::read_neighbour(message);
    const auto neighbour = drivers::read_neighbour(NetlinkMessage(part));
    // The last two bytes only fill the last attribute up.
    if (neighbour && length < whole.size() - 2) {
      EXPECT_NE(neighbour->state, NeighbourState::usable) << "without its address it is of no use";
    }
  }
}

TEST(Neighbour, AttributeLengthsThatLieEndTheRun) {
  auto bytes = neighbour_message(RTM_NEWNEIGH, NUD_REACHABLE, true);
  bytes[NLMSG_HDRLEN + NLMSG_ALIGN(sizeof(ndmsg))] = 200;
  const auto neighbour = drivers::read_neighbour(NetlinkMessage(bytes));
  ASSERT_TRUE(neighbour);
  EXPECT_EQ(neighbour->state, NeighbourState::absent);
  bytes[NLMSG_HDRLEN + NLMSG_ALIGN(sizeof(ndmsg))] = 1;
  EXPECT_EQ(drivers::read_neighbour(NetlinkMessage(bytes))->state, NeighbourState::absent);
}

}  // namespace
}  // namespace sallyport::test
