// SPDX-License-Identifier: Apache-2.0
#include "controlplane/xmpp/xml_element.h"

#include <gmock/gmock.h>

namespace sallyport::xmpp_test {
namespace {

using testing::HasSubstr;

TEST(StreamHeader, IsReadWithWhateverPrefixItComes) {
  const auto header = xmpp::parse_stream_header("<?xml version='1.0'?><s:stream xmlns:s='http://etherx.jabber.org/streams' xmlns='jabber:client' to='Example.com' from='a@b' id='1&amp;2' version='1.0' xml:lang='de'>");
  ASSERT_TRUE(header) << header.fault().text();
  EXPECT_EQ(header->to, "Example.com");
  EXPECT_EQ(header->from, "a@b");
  EXPECT_EQ(header->id, "1&2");
  EXPECT_EQ(header->version, "1.0");
  EXPECT_EQ(header->lang, "de");
  EXPECT_EQ(header->content_space, "jabber:client");
}

TEST(StreamHeader, OfAnythingElseIsRefused) {
  for (const char* text : {"<stream xmlns='jabber:client'>", "<stream:stream xmlns='jabber:client'>", "<!DOCTYPE a><stream:stream xmlns:stream='http://etherx.jabber.org/streams'>", "<stream:features xmlns:stream='http://etherx.jabber.org/streams'>", ""})
    EXPECT_FALSE(xmpp::parse_stream_header(text)) << text;
}

TEST(StreamHeader, IsWrittenSoThatItReadsTheSame) {
  const xmpp::StreamHeader header{"a'b<c", "example.com", "42", "1.0", "en", "jabber:client"};
  const auto again = xmpp::parse_stream_header(xmpp::format_stream_header(header));
  ASSERT_TRUE(again);
  EXPECT_EQ(again->to, header.to);
  EXPECT_EQ(again->id, header.id);
  EXPECT_EQ(again->lang, header.lang);
}

TEST(XmlElement, KnowsNamespacesOfItsStreamAndWhereItStands) {
  const std::string_view text = "<iq type='get'><q xmlns='urn:x'><a/>one</q><b/></iq>";
  const auto element = xmpp::parse_element(text, "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>");
  ASSERT_TRUE(element) << element.fault().text();
  EXPECT_TRUE(element->is(xmpp::ns::client, "iq"));
  EXPECT_EQ(element->attribute("type"), "get");
  EXPECT_EQ(element->attribute("none"), "");
  const xmpp::XmlElement* inner = element->child("urn:x", "q");
  ASSERT_NE(inner, nullptr);
  EXPECT_EQ(inner->text, "one");
  EXPECT_EQ(text.substr(inner->from, inner->to - inner->from), "<q xmlns='urn:x'><a/>one</q>");
  const xmpp::XmlElement& empty = inner->children.at(0);
  EXPECT_EQ(text.substr(empty.from, empty.to - empty.from), "<a/>");
  EXPECT_EQ(element->to, text.size());
}

TEST(XmlElement, WhatIsNotWholeOrTooMuchIsRefused) {
  std::string deep, wide = "<a>";
  for (int i = 0; i < 17; ++i) deep += "<a>";
  for (int i = 0; i < 17; ++i) deep += "</a>";
  for (int i = 0; i < 1100; ++i) wide += "<b/>";
  for (const std::string& text : {deep, wide + "</a>", std::string("<a>"), std::string("<a></b>"), std::string("<x:a/>"), std::string("<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"), std::string()}) {
    const auto element = xmpp::parse_element(text);
    ASSERT_FALSE(element) << text.substr(0, 60);
    EXPECT_THAT(element.fault().text(), HasSubstr("RFC 6120"));
  }
}

}  // namespace
}  // namespace sallyport::xmpp_test
