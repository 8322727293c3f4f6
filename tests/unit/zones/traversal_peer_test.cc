// SPDX-License-Identifier: Apache-2.0
#include "controlplane/zones/traversal_peer.h"

#include <gtest/gtest.h>

#include "controlplane/sip/response.h"

namespace sallyport::zones {
namespace {

TEST(TraversalPeer, LinkOfferComesBackAsItWas) {
  LinkOffer offer{0x0123456789abcdef, {}, 36000, 36001};
  for (size_t i = 0; i < offer.key.size(); ++i) offer.key[i] = static_cast<uint8_t>(i * 7);
  const auto parsed = parse_link(format_link(offer));
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(parsed->session, offer.session);
  EXPECT_EQ(parsed->key, offer.key);
  EXPECT_EQ(parsed->rtp_port, 36000);
  EXPECT_EQ(parsed->rtcp_port, 36001);
}

TEST(TraversalPeer, LinkOfferThatIsCutOrOfAnotherVersionIsNone) {
  const std::string good = format_link({1, {}, 36000, 36001});
  for (const std::string& bad : {std::string(), std::string("1"), "2" + good.substr(1), good.substr(0, good.size() - 12), good.substr(0, good.find("key=")) + "key=AAAA;rtp=1;rtcp=2",
                                 good.substr(0, good.find("rtp=")) + "rtp=70000;rtcp=1"})
    EXPECT_FALSE(parse_link(bad)) << bad;
}

TEST(TraversalPeer, MediaReportRows) {
  const auto report = parse_media_report(format_media_report({310, 0}));
  ASSERT_TRUE(report.has_value());
  EXPECT_EQ(report->rtp_us, 310u);
  EXPECT_EQ(report->rtcp_us, 0u);
  for (const char* bad : {"", "1", "1;rtp=1", "2;rtp=1;rtcp=1", "1;rtp=x;rtcp=1", "1;rtp=-1;rtcp=1"}) EXPECT_FALSE(parse_media_report(bad)) << bad;
}

TEST(TraversalPeer, WarningTextIsUnquoted) {
  const std::string text = "serial 1000, issued by \"CN=Lab CA\", back\\slash";
  EXPECT_EQ(warning_text(sip::warning_value(399, "edge.example.com", text)), text);
  EXPECT_EQ(warning_text(""), "");
  EXPECT_EQ(warning_text("399 edge \"open"), "");
}

TEST(TraversalPeer, BackoffDoublesUpToItsCapAndTheDrawTakesAtMostHalf) {
  struct Row {
    uint32_t failures, low_ms, high_ms;
  };
  for (const Row& row : {Row{0, 250, 500}, Row{1, 500, 1000}, Row{2, 1000, 2000}, Row{5, 8000, 16000}, Row{6, 15000, 30000}, Row{40, 15000, 30000}, Row{4'000'000'000u, 15000, 30000}}) {
    EXPECT_EQ(backoff_ms(row.failures, 500, 30'000, 0), row.high_ms);
    for (uint32_t draw = 1; draw < 200'000; draw += 997) {
      const uint32_t delay_ms = backoff_ms(row.failures, 500, 30'000, draw);
      EXPECT_GE(delay_ms, row.low_ms);
      EXPECT_LE(delay_ms, row.high_ms);
    }
  }
}

TEST(TraversalPeer, LinkIdIsThatOfZoneAndPeerWhateverTheirCase) {
  EXPECT_EQ(link_id_of("Traversal zone", "Edge.example.com"), link_id_of("traversal zone", "edge.example.com"));
  EXPECT_NE(link_id_of("Traversal zone", "e1.example.com"), link_id_of("Traversal zone", "e2.example.com"));
  EXPECT_NE(link_id_of("ab", "c"), link_id_of("a", "bc"));
}

}  // namespace
}  // namespace sallyport::zones
