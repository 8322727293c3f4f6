// SPDX-License-Identifier: Apache-2.0
#include "controlplane/xmpp/stanza_scanner.h"

#include <gmock/gmock.h>

#include <vector>

namespace sallyport::xmpp_test {
namespace {

using testing::ElementsAre;
using xmpp::ScanFault;
using xmpp::StanzaScanner;
using Piece = StanzaScanner::Piece;

constexpr std::string_view header = "<?xml version='1.0'?>\n<stream:stream to='example.com' xmlns='jabber:client' xmlns:stream=\"http://etherx.jabber.org/streams\" version='1.0'>";

// "header:TEXT", "stanza:TEXT", "end", "fault:NAME"
std::vector<std::string> pieces(StanzaScanner& scanner, const std::vector<std::string_view>& runs) {
  std::vector<std::string> found;
  for (std::string_view run : runs) {
    for (;;) {
      const Piece piece = scanner.next(run);
      if (piece == Piece::none) break;
      if (piece == Piece::header) found.push_back("header:" + scanner.captured());
      if (piece == Piece::stanza) found.push_back("stanza:" + scanner.captured());
      if (piece == Piece::end) found.emplace_back("end");
      if (piece == Piece::fault) found.push_back(std::string("fault:") + name_of(scanner.fault()));
      if (piece == Piece::end || piece == Piece::fault) return found;
    }
  }
  return found;
}

std::vector<std::string> pieces_of(std::string_view text, StanzaScanner::Capture capture = StanzaScanner::Capture::stanza, xmpp::ScanLimits limits = {}) {
  StanzaScanner scanner(limits, capture);
  return pieces(scanner, {text});
}

constexpr std::string_view stanzas[] = {"<presence/>", "<message to='a@b' body=\"x'>y\"><body>1 &lt; 2 &#x41; ]]&gt;</body><x/></message>", "<iq type='get'><q xmlns='jabber:iq:roster'><![CDATA[<not/> ]] ]>a tag]]></q></iq>",
                                        "<m\xC3\xBC a\n=\n'1'  ><b ></b ></m\xC3\xBC>"};

TEST(StanzaScanner, TellsHeaderStanzasAndEndWhereverTheBytesAreCut) {
  std::string text(header);
  std::vector<std::string> wanted;
  for (const std::string_view stanza : stanzas) {
    text += " \r\n" + std::string(stanza);
    wanted.push_back("stanza:" + std::string(stanza));
  }
  text += "</stream:stream>";
  const auto check = [&](const std::vector<std::string>& found) {
    ASSERT_EQ(found.size(), wanted.size() + 2);
    EXPECT_TRUE(found.front().ends_with("version='1.0'>"));
    EXPECT_EQ(std::vector<std::string>(found.begin() + 1, found.end() - 1), wanted);
    EXPECT_EQ(found.back(), "end");
  };
  check(pieces_of(text));
  for (size_t cut = 1; cut < text.size(); ++cut) {
    StanzaScanner scanner({}, StanzaScanner::Capture::stanza);
    const std::string_view all(text);
    check(pieces(scanner, {all.substr(0, cut), all.substr(cut)}));
  }
  StanzaScanner bytewise({}, StanzaScanner::Capture::stanza);
  std::vector<std::string_view> single;
  for (size_t at = 0; at < text.size(); ++at) single.push_back(std::string_view(text).substr(at, 1));
  check(pieces(bytewise, single));
  EXPECT_EQ(bytewise.stanzas(), std::size(stanzas));
}

TEST(StanzaScanner, KeepsWhatItIsToldToAndNothingElse) {
  const std::string text = std::string(header) + "<message to='a'><body>secret</body></message>";
  EXPECT_EQ(pieces_of(text, StanzaScanner::Capture::none).back(), "stanza:");
  EXPECT_EQ(pieces_of(text, StanzaScanner::Capture::tag).back(), "stanza:<message to='a'>");
}

TEST(StanzaScanner, RestrictedXmlIsRefused) {
  const auto fault_of = [](std::string_view text) { return pieces_of(text).back(); };
  for (const std::string_view inside : {"<!-- c -->", "<?php ?>", "<!DOCTYPE a>", "<m>&unknown;</m>", "<m a='&foo;'/>", "<m>&#xZZ;</m>", "<m>&;</m>", "<m>&aaaaaaaaaaaaaaaaaaaaaaaa</m>", "<m><!ELEMENT></m>", "<m><?xml version='1.0'?></m>"})
    EXPECT_EQ(fault_of(std::string(header) + std::string(inside)), "fault:restricted_xml") << inside;
  EXPECT_EQ(fault_of("<!DOCTYPE stream [<!ENTITY a 'b'>]><stream:stream>"), "fault:restricted_xml");
  EXPECT_EQ(fault_of("<?xml version='1.0'?><?xml version='1.0'?><stream:stream>"), "fault:restricted_xml");
  EXPECT_EQ(fault_of("<?xmlx version='1.0'?><stream:stream>"), "fault:restricted_xml");
}

TEST(StanzaScanner, CharacterReferencesHaveAnyNumberOfLeadingZeros) {
  const auto last = [](std::string_view text) { return pieces_of(std::string(header) + std::string(text)).back(); };
  EXPECT_THAT(last("<m a='&#x000000000041;'>&#000000000065;</m>"), testing::StartsWith("stanza:"));
  EXPECT_EQ(last("<m>&#000000000000;</m>"), "fault:restricted_xml");
}

TEST(StanzaScanner, WhatIsNoXmlIsRefused) {
  for (const std::string_view inside : {"text", "<m", "< m/>", "<m a=b/>", "<m a='<'/>", "<m></>", "<m>\x01</m>", "<m/ >", "<1/>", "<m a/>", "<m><![CDAT[x]]></m>", "<m>\xFF</m>", "</ stream>"}) {
    const auto found = pieces_of(std::string(header) + std::string(inside));
    if (inside == "<m") EXPECT_EQ(found.size(), 1u);
    else EXPECT_EQ(found.back(), "fault:not_well_formed") << inside;
  }
  for (const std::string_view start : {"GET / HTTP/1.1\r\n", "<stream:stream/>", "</a>", "\x16\x03\x01"}) EXPECT_EQ(pieces_of(start).back(), "fault:not_well_formed") << start;
}

TEST(StanzaScanner, SizesAndDepthEndWhereTheLimitIs) {
  const xmpp::ScanLimits limits{.header_bytes = 300, .stanza_bytes = 40, .depth = 4};
  const std::string begin(header);
  const auto last = [&](const std::string& text, StanzaScanner::Capture capture) { return pieces_of(begin + text, capture, limits).back(); };
  for (const auto capture : {StanzaScanner::Capture::none, StanzaScanner::Capture::stanza}) {
    EXPECT_THAT(last("<m>" + std::string(33, 'x') + "</m>", capture), testing::StartsWith("stanza:"));
    EXPECT_EQ(last("<m>" + std::string(34, 'x') + "</m>", capture), "fault:stanza_too_big");
    EXPECT_EQ(last("<m>" + std::string(500, 'x'), capture), "fault:stanza_too_big");  // before its end is there
    EXPECT_EQ(last("<m a='" + std::string(500, 'x'), capture), "fault:stanza_too_big");
    EXPECT_EQ(last("<" + std::string(500, 'm'), capture), "fault:stanza_too_big");
    EXPECT_THAT(last("<a><b><c/></b></a>", capture), testing::StartsWith("stanza:"));
    EXPECT_EQ(last("<a><b><c><d/></c></b></a>", capture), "fault:too_deep");
  }
  EXPECT_EQ(pieces_of("<stream:stream a='" + std::string(400, 'x'), StanzaScanner::Capture::none, limits).back(), "fault:header_too_big");
}

TEST(StanzaScanner, AfterARestartAHeaderComesAgain) {
  StanzaScanner scanner;
  EXPECT_EQ(pieces(scanner, {header, "<auth/>"}).size(), 2u);
  scanner.restart();
  EXPECT_FALSE(scanner.is_within());
  const auto found = pieces(scanner, {header, "<iq/>", "</stream:stream>"});
  ASSERT_EQ(found.size(), 3u);
  EXPECT_THAT(found[0], testing::StartsWith("header:<?xml"));
  std::string_view more = "<iq/>";
  EXPECT_EQ(scanner.next(more), Piece::end);
}

}  // namespace
}  // namespace sallyport::xmpp_test
