// SPDX-License-Identifier: Apache-2.0
#include "tests/rfc/rfc4475_messages.h"

#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "controlplane/sip/body.h"
#include "controlplane/sip/cseq.h"
#include "controlplane/sip/edit.h"
#include "controlplane/sip/framer.h"
#include "controlplane/sip/name_addr.h"
#include "controlplane/sip/response.h"
#include "controlplane/sip/sdp.h"
#include "controlplane/sip/validate.h"
#include "controlplane/sip/via.h"

namespace sallyport::sip {
namespace {

std::vector<torture::Case> all_cases() {
  std::vector<torture::Case> all;
  for (const auto& group : {torture::valid_cases(), torture::invalid_cases(), torture::semantic_cases()}) {
    all.insert(all.end(), group.begin(), group.end());
  }
  return all;
}

std::string_view text_of(std::string_view name) {
  const auto all = all_cases();
  const auto found = std::find_if(all.begin(), all.end(), [&](const torture::Case& c) { return c.name == name; });
  EXPECT_NE(found, all.end()) << name;
  return found == all.end() ? std::string_view() : found->text;
}

Message parsed(std::string_view name) {
  Message message;
  EXPECT_TRUE(parse(text_of(name), message)) << name;
  return message;
}

Verdict judge(const Message& message) {
  return message.is_request() ? validate_request(message) : validate_response(message);
}

TEST(Rfc4475, EveryMessageGetsTheVerdictOfTheRfc) {
  for (const torture::Case& row : all_cases()) {
    Message message;
    Verdict verdict = parse(row.text, message);
    if (verdict.ok()) verdict = judge(message);
    EXPECT_EQ(verdict.status, row.syntax_status)
        << row.name << " (" << row.section << ", " << row.about << "): " << verdict.reason;
  }
}

TEST(Rfc4475, TheSetIsComplete) {
  EXPECT_EQ(torture::valid_cases().size(), 13u);
  EXPECT_EQ(torture::invalid_cases().size(), 19u);
  EXPECT_EQ(torture::semantic_cases().size(), 17u);
}

TEST(Rfc4475, AcceptedMessagesPassUnchangedButForWhatAProxyMustChange) {
  for (const torture::Case& row : all_cases()) {
    Message message;
    if (!parse(row.text, message) || !judge(message)) continue;
    Edit edit(message);
    EXPECT_EQ(edit.serialise(), message.text()) << row.name;
    const std::string via = "SIP/2.0/TLS edge.example.com;branch=z9hG4bKtorture";
    edit.push_front(HeaderId::via, via);
    edit.push_front(HeaderId::record_route, "<sip:edge.example.com;lr>");
    const std::string out = edit.serialise();
    Message forwarded;
    ASSERT_TRUE(parse(out, forwarded)) << row.name;
    EXPECT_TRUE(judge(forwarded)) << row.name;
    // Take the two lines out again: byte for byte the same message is left.
    std::string stripped = out;
    for (const std::string& line :
         {"Via: " + via + "\r\n", std::string("Record-Route: <sip:edge.example.com;lr>\r\n")}) {
      ASSERT_NE(stripped.find(line), std::string::npos) << row.name;
      stripped.erase(stripped.find(line), line.size());
    }
    EXPECT_EQ(stripped, message.text()) << row.name;
    EXPECT_EQ(first_value(forwarded, HeaderId::via)->text, via) << row.name;
  }
}

TEST(Rfc4475, RefusedRequestsAreAnsweredWithAWellFormedResponse) {
  int answered = 0;
  for (const torture::Case& row : all_cases()) {
    Message message;
    Verdict verdict = parse(row.text, message);
    if (verdict.ok()) verdict = judge(message);
    if (verdict.ok() || !message.is_request()) continue;
    std::string out;
    write_response(message, {.status = verdict.status, .reason = verdict.reason, .to_tag = "edge"}, out);
    Message response;
    EXPECT_TRUE(parse(out, response)) << row.name << "\n" << out;
    EXPECT_EQ(response.status(), row.syntax_status) << row.name;
    EXPECT_EQ(response.value(HeaderId::via), message.value(HeaderId::via)) << row.name;
    EXPECT_EQ(response.value(HeaderId::call_id), message.value(HeaderId::call_id)) << row.name;
    ++answered;
  }
  EXPECT_EQ(answered, 21);
}

TEST(Rfc4475, StreamsDeliverEveryMessageThatEndsItself) {
  for (const torture::Case& row : all_cases()) {
    Message message;
    if (!parse(row.text, message) || !message.has(HeaderId::content_length)) continue;
    Framer framer(Framer::Side::accepted);
    std::string_view frame;
    framer.feed(row.text);
    ASSERT_EQ(framer.next(frame), Framer::Event::message) << row.name;
    EXPECT_EQ(frame, message.text()) << row.name;
  }
}

TEST(Rfc4475, WsinvIsReadThroughItsFolds) {
  const Message message = parsed("wsinv");
  EXPECT_EQ(parse_name_addr(message.value(HeaderId::to))->tag(), "1918181833n");
  const auto from = parse_name_addr(message.value(HeaderId::from));
  EXPECT_EQ(from->display, "\"J Rosenberg \\\\\\\"\"");
  EXPECT_EQ(from->tag(), "98asjd8");
  EXPECT_EQ(message.value(HeaderId::max_forwards), "0068");
  EXPECT_EQ(parse_cseq(message.value(HeaderId::cseq))->number, 9u);
  std::vector<std::string> branches;
  for (const HeaderValue& value : values(message, HeaderId::via)) branches.emplace_back(parse_via(value.text)->branch);
  EXPECT_EQ(branches, (std::vector<std::string>{"390skdjuw", "z9hG4bK9ikj8", "z9hG4bK30239"}));
  EXPECT_EQ(message.value(HeaderId::subject), "");
  EXPECT_EQ(parse_name_addr(message.value(HeaderId::contact))->params.value("q"), "0.33");
  EXPECT_TRUE(parse_name_addr(message.value(HeaderId::route))->uri.is_loose_router());
  EXPECT_EQ(message.find("unknownheaderwithunusualvalue")->value, ";;,,;;,;");
}

TEST(Rfc4475, IntmethKeepsEveryOddCharacter) {
  const Message message = parsed("intmeth");
  EXPECT_EQ(message.method(), Method::other);
  EXPECT_EQ(message.method_text(), "!interesting-Method0123456789_*+`.%indeed'~");
  const auto uri = parse_uri(message.request_uri());
  EXPECT_EQ(uri->user, "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*");
  EXPECT_EQ(uri->host, "example.com");
  EXPECT_EQ(parse_name_addr(message.value(HeaderId::from))->tag(), "_token~1'+`*%!-.");
}

TEST(Rfc4475, EscapesAreComparedButNeverRewritten) {
  const Message esc02 = parsed("esc02");
  EXPECT_EQ(esc02.method_text(), "RE%47IST%45R");
  EXPECT_EQ(esc02.method(), Method::other);
  EXPECT_EQ(esc02.count(HeaderId::contact), 2u);  // "C%6Fntact" is another header
  const Message esc01 = parsed("esc01");
  EXPECT_EQ(parse_uri(esc01.request_uri())->host, "example.net");
  const auto a = parse_uri("sip:%75se%72@example.com"), b = parse_uri("sip:user@example.com");
  EXPECT_TRUE(equal(*a, *b));
  const auto one = parse_uri("sip:%00@host5.example.com"), two = parse_uri("sip:%00%00@host5.example.com");
  EXPECT_FALSE(equal(*one, *two));
}

TEST(Rfc4475, LongreqAndTransportsKeepTheirVias) {
  EXPECT_EQ(parsed("longreq").count(HeaderId::via), 33u);
  const Message message = parsed("transports");
  std::vector<Transport> transports;
  for (const HeaderValue& value : values(message, HeaderId::via))
    transports.push_back(parse_via(value.text)->transport);
  EXPECT_EQ(transports,
            (std::vector{Transport::udp, Transport::sctp, Transport::tls, Transport::other, Transport::tcp}));
}

TEST(Rfc4475, DblreqEndsWhereItsContentLengthSays) {
  const Message message = parsed("dblreq");
  EXPECT_EQ(message.body(), "");
  EXPECT_EQ(message.text().find("INVITE"), std::string_view::npos);
}

TEST(Rfc4475, Mpart01BodyIsCarriedOctetByOctet) {
  const Message message = parsed("mpart01");
  EXPECT_NE(message.body().find('\0'), std::string_view::npos);
  EXPECT_FALSE(find_sdp(message));
}

TEST(Rfc4475, BodiesThatAreSdpParse) {
  for (const char* name : {"wsinv", "longreq", "unreason", "inv2543"}) {
    const Message message = parsed(name);
    const auto text = find_sdp(message);
    ASSERT_TRUE(text) << name;
    Sdp sdp;
    EXPECT_TRUE(parse_sdp(*text, sdp)) << name;
    EXPECT_FALSE(sdp.media().empty());
  }
}

TEST(Rfc4475, BadbranchIsMatchedByTheOldRules) {
  EXPECT_FALSE(parse_via(parsed("badbranch").value(HeaderId::via))->is_rfc3261());
}

TEST(Rfc4475, WhatTheProxyDecidesIsThereToDecide) {
  EXPECT_EQ(parsed("zeromf").value(HeaderId::max_forwards), "0");
  EXPECT_TRUE(lists_token(parsed("bext01"), HeaderId::proxy_require, "norDoAnyProxiesSupportThis"));
  EXPECT_EQ(parse_via(last_value(parsed("bcast"), HeaderId::via)->text)->host, "255.255.255.255");
}

}  // namespace
}  // namespace sallyport::sip
