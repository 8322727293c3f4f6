// SPDX-License-Identifier: Apache-2.0
#include "controlplane/xmpp/features_filter.h"

#include <gmock/gmock.h>

namespace sallyport::xmpp_test {
namespace {

constexpr std::string_view header = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>";

std::string filtered(std::string_view features) {
  const auto result = xmpp::without_channel_binding(features, header);
  return result ? std::to_string(result->taken_out) + " " + result->bytes : result.fault().text();
}

TEST(FeaturesFilter, TakesOutWhatBindsToAChannelAndNothingElse) {
  EXPECT_EQ(filtered("<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>SCRAM-SHA-1-PLUS</mechanism> <mechanism>SCRAM-SHA-1</mechanism>"
                     "<mechanism>SCRAM-SHA-256-PLUS</mechanism><mechanism>PLAIN</mechanism></mechanisms><sasl-channel-binding xmlns='urn:xmpp:sasl-cb:0'><channel-binding type='tls-exporter'/></sasl-channel-binding></stream:features>"),
            "3 <stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'> <mechanism>SCRAM-SHA-1</mechanism><mechanism>PLAIN</mechanism></mechanisms></stream:features>");
  EXPECT_EQ(filtered("<stream:features><authentication xmlns='urn:xmpp:sasl:2'><mechanism>SCRAM-SHA-1-PLUS</mechanism><mechanism>SCRAM-SHA-1</mechanism></authentication></stream:features>"),
            "1 <stream:features><authentication xmlns='urn:xmpp:sasl:2'><mechanism>SCRAM-SHA-1</mechanism></authentication></stream:features>");
}

// The symptom: whoever chose EXTERNAL was logged in as the owner of C's certificate.
TEST(FeaturesFilter, TakesOutWhatVouchesForCInsteadOfTheClient) {
  EXPECT_EQ(filtered("<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>EXTERNAL</mechanism><mechanism>PLAIN</mechanism></mechanisms></stream:features>"),
            "1 <stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>PLAIN</mechanism></mechanisms></stream:features>");
}

TEST(FeaturesFilter, TakesOutTokensThatBindToAChannel) {
  EXPECT_EQ(filtered("<stream:features><authentication xmlns='urn:xmpp:sasl:2'><mechanism>PLAIN</mechanism><inline><fast xmlns='urn:xmpp:fast:0'><mechanism>HT-SHA-256-EXPR</mechanism><mechanism>HT-SHA-256-NONE</mechanism>"
                     "<mechanism>HT-SHA-256-UNIQ</mechanism><mechanism>HT-SHA-256-ENDP\n</mechanism></fast></inline></authentication></stream:features>"),
            "3 <stream:features><authentication xmlns='urn:xmpp:sasl:2'><mechanism>PLAIN</mechanism><inline><fast xmlns='urn:xmpp:fast:0'><mechanism>HT-SHA-256-NONE</mechanism></fast></inline></authentication></stream:features>");
}

TEST(FeaturesFilter, TakesOutCompression) {
  EXPECT_EQ(filtered("<stream:features><compression xmlns='http://jabber.org/features/compress'><method>zlib</method></compression><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></stream:features>"),
            "1 <stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></stream:features>");
  EXPECT_EQ(filtered("<f><c xmlns='urn:xmpp:sasl-cb:0'/><d/></f>"), "1 <f><d/></f>");
}

TEST(FeaturesFilter, LeavesOthersByteForByte) {
  const std::string_view features = "<stream:features  ><sm xmlns='urn:xmpp:sm:3'/>\n<mechanism>X-PLUS</mechanism></stream:features>";
  EXPECT_EQ(filtered(features), "0 " + std::string(features));
  EXPECT_THAT(filtered("<stream:features>"), testing::HasSubstr("RFC 6120"));
}

}  // namespace
}  // namespace sallyport::xmpp_test
