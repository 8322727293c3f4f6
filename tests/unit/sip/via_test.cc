// SPDX-License-Identifier: Apache-2.0
#include "controlplane/sip/via.h"

#include <string>

#include <gtest/gtest.h>

#include "controlplane/sip/cseq.h"
#include "controlplane/sip/edit.h"
#include "controlplane/sip/grammar.h"

namespace sallyport::sip {
namespace {

TEST(Via, BlanksAndFoldsAroundItsPartsAreRead) {
  const auto via =
      parse_via("SIP  / 2.0  / TCP     spindle.example.com   : 5070 ;\r\n  branch  =   z9hG4bK9ikj8  ;rport");
  ASSERT_TRUE(via);
  EXPECT_EQ(via->transport, Transport::tcp);
  EXPECT_EQ(via->host, "spindle.example.com");
  EXPECT_EQ(via->port, 5070);
  EXPECT_EQ(via->branch, "z9hG4bK9ikj8");
  EXPECT_TRUE(via->has_rport);
  EXPECT_EQ(via->rport, 0);
  EXPECT_TRUE(via->is_rfc3261());
}

TEST(Via, UnknownTransportAndIpv6AreKept) {
  const auto via = parse_via("SIP/2.0/TLS-SCTP [2001:db8::9:1]:5061;received=[2001:db8::2];branch=z9hG4bK");
  ASSERT_TRUE(via);
  EXPECT_EQ(via->transport, Transport::other);
  EXPECT_EQ(via->transport_text, "TLS-SCTP");
  EXPECT_EQ(via->host, "[2001:db8::9:1]");
  EXPECT_EQ(via->received, "[2001:db8::2]");
  EXPECT_FALSE(via->is_rfc3261());  // the cookie alone names no transaction
}

TEST(Via, MalformedOnesAreRefused) {
  for (const char* text : {"", "SIP/2.0", "SIP/2.0/UDP", "SIP/2.0/UDP;branch=x", "SIP/2.0/UDP 192.0.2.15;;,;,,",
                           "SIP/2.0/UDP h:0", "SIP/2.0/UDP h:99999", "SIP/2.0/UDP h:", "SIP/2.0/UDP [::1", "2.0/UDP h",
                           "SIP/2.0/UDP h;rport=x", "SIP/2.0/UDP h x", "SIP/2.0/UDP h;branch=", "SIP/2.0/UDPh"}) {
    EXPECT_FALSE(parse_via(text)) << text;
  }
}

std::string stamped(const std::string& via, std::string_view address, std::uint16_t port) {
  const std::string text = "BYE sip:a@b SIP/2.0\r\nVia: " + via + "\r\nTo: x\r\n\r\n";
  Message message;
  EXPECT_TRUE(parse(text, message));
  Edit edit(message);
  stamp_source(edit, message, address, port);
  Message after;
  const std::string out = edit.serialise();
  EXPECT_TRUE(parse(out, after));
  return std::string(after.value(HeaderId::via));
}

TEST(Via, SourceIsStampedAsRfc3581Says) {
  EXPECT_EQ(stamped("SIP/2.0/UDP 10.1.1.1:4540;rport;branch=z9hG4bKx", "192.0.2.1", 9988),
            "SIP/2.0/UDP 10.1.1.1:4540;rport=9988;branch=z9hG4bKx;received=192.0.2.1");
  EXPECT_EQ(stamped("SIP/2.0/TLS h;branch=z9hG4bKx", "192.0.2.1", 9988),
            "SIP/2.0/TLS h;branch=z9hG4bKx;received=192.0.2.1");
  EXPECT_EQ(stamped("SIP/2.0/TLS 192.0.2.1;branch=z9hG4bKx", "192.0.2.1", 9988),
            "SIP/2.0/TLS 192.0.2.1;branch=z9hG4bKx");
  EXPECT_EQ(stamped("SIP/2.0/TLS [2001:db8::1];branch=z", "2001:db8::1", 1), "SIP/2.0/TLS [2001:db8::1];branch=z");
  EXPECT_EQ(stamped("SIP/2.0/UDP h;rport;branch=z, SIP/2.0/UDP i", "192.0.2.1", 7),
            "SIP/2.0/UDP h;rport=7;branch=z;received=192.0.2.1, SIP/2.0/UDP i");
}

TEST(Via, ForgedReceivedAndRportAreOverwritten) {
  EXPECT_EQ(stamped("SIP/2.0/UDP h;received=203.0.113.66;rport=1", "192.0.2.1", 9),
            "SIP/2.0/UDP h;rport=9;received=192.0.2.1");
  EXPECT_EQ(stamped("SIP/2.0/UDP 192.0.2.1;received=203.0.113.66", "192.0.2.1", 9), "SIP/2.0/UDP 192.0.2.1");
}

TEST(CSeq, NumberIsBelowTwoToThe31AndMethodIsAToken) {
  EXPECT_EQ(parse_cseq("0009\r\n  INVITE")->number, 9u);
  EXPECT_EQ(parse_cseq("2147483647 NEWMETHOD")->method_text, "NEWMETHOD");
  EXPECT_EQ(parse_cseq("1 ACK")->method, Method::ack);
  for (const char* text : {"", "1", "INVITE", "2147483648 BYE", "36893488147419103232 REGISTER", "-1 BYE", "1 B YE"}) {
    EXPECT_FALSE(parse_cseq(text)) << text;
  }
}

TEST(CSeq, RAckNamesResponseNumberAndCSeq) {
  const auto rack = parse_rack("776656 1 INVITE");
  ASSERT_TRUE(rack);
  EXPECT_EQ(rack->response_number, 776656u);
  EXPECT_EQ(rack->cseq.number, 1u);
  EXPECT_FALSE(parse_rack("776656 INVITE"));
}

TEST(Grammar, NumbersAreBounded) {
  EXPECT_EQ(parse_number("0070", 255), 70u);
  EXPECT_FALSE(parse_number("256", 255));
  EXPECT_FALSE(parse_number("", 255));
  EXPECT_FALSE(parse_number("+1", 255));
  EXPECT_FALSE(parse_number("18446744073709551616"));
  EXPECT_EQ(parse_delta_seconds("100000000000000000000000"), 0xffffffffu);
  EXPECT_FALSE(parse_delta_seconds("-1"));
}

TEST(Grammar, QuotingRoundTrips) {
  const std::string odd = "a\"b\\c";
  EXPECT_EQ(quote(odd), "\"a\\\"b\\\\c\"");
  EXPECT_EQ(unquote(quote(odd)), odd);
  EXPECT_EQ(unquote("plain"), "plain");
  EXPECT_EQ(quote("a\r\nb"), "\"ab\"");  // never a header injected by way of a text
  EXPECT_EQ(unescape("a%20b"), "a b");
  EXPECT_FALSE(unescape("a%2"));
}

}  // namespace
}  // namespace sallyport::sip
