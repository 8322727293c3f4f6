// SPDX-License-Identifier: Apache-2.0
#include "controlplane/sip/edit.h"

#include <string>

#include <gtest/gtest.h>

#include "controlplane/sip/body.h"
#include "tests/unit/sip/sample_messages.h"

namespace sallyport::sip {
namespace {

struct Fixture {
  explicit Fixture(std::string source) : text(std::move(source)), edit(message) {
    EXPECT_TRUE(parse(text, message)) << text;
    edit.reset(message);
  }
  std::string text;
  Message message;
  Edit edit;
};

const std::string head = "BYE sip:a@b SIP/2.0\r\n";

TEST(Edit, NothingRecordedChangesNothing) {
  Fixture f{std::string(samples::invite)};
  EXPECT_TRUE(f.edit.is_untouched());
  EXPECT_EQ(f.edit.serialise(), samples::invite);
}

TEST(Edit, ProxyChangesLeaveEveryOtherByteInPlace) {
  Fixture f{std::string(samples::invite)};
  f.edit.push_front(HeaderId::via, "SIP/2.0/TLS edge.example.com;branch=z9hG4bKedge");
  f.edit.push_front(HeaderId::record_route, "<sip:out@edge.example.com;lr>");
  f.edit.push_front(HeaderId::record_route, "<sip:in@edge.example.com;lr>");
  f.edit.replace(*f.message.first(HeaderId::max_forwards), "69");
  f.edit.remove(*first_value(f.message, HeaderId::route));
  std::string expected(samples::invite);
  expected.replace(expected.find("Max-Forwards: 70"), 16, "Max-Forwards: 69");
  const std::size_t route = expected.find("Route: <sip:Ftb");
  expected.erase(route, expected.find("\r\n", route) + 2 - route);
  expected.insert(expected.find("Max-Forwards"),
                  "Record-Route: <sip:in@edge.example.com;lr>\r\nRecord-Route: <sip:out@edge.example.com;lr>\r\n");
  expected.insert(expected.find("Via: "), "Via: SIP/2.0/TLS edge.example.com;branch=z9hG4bKedge\r\n");
  EXPECT_EQ(f.edit.serialise(), expected);
}

TEST(Edit, PushFrontGoesAboveTheFirstOfItsKindAndJoinsParts) {
  Fixture f{head + "Via: a\r\nTo: t\r\nRecord-Route: <r>\r\n\r\n"};
  f.edit.push_front(HeaderId::record_route, {"<", "s", ">"});
  EXPECT_EQ(f.edit.serialise(), head + "Via: a\r\nTo: t\r\nRecord-Route: <s>\r\nRecord-Route: <r>\r\n\r\n");
}

TEST(Edit, PushBackGoesBelowTheLastOfItsKindOrToTheEnd) {
  Fixture f{head + "Path: <a>\r\nPath: <b>\r\nTo: t\r\n\r\nbody"};
  f.edit.push_back(HeaderId::path, "<c>");
  f.edit.push_back(HeaderId::path, "<d>");
  f.edit.push_back(HeaderId::flow_timer, "120");
  f.edit.append("X-Odd", "1");
  EXPECT_EQ(f.edit.serialise(), head +
                                    "Path: <a>\r\nPath: <b>\r\nPath: <c>\r\nPath: <d>\r\nTo: t\r\nFlow-Timer: 120\r\n"
                                    "X-Odd: 1\r\n\r\nbody");
}

TEST(Edit, FirstRecordRouteOfAMessageWithoutViaStandsOnTop) {
  Fixture f{head + "To: t\r\n\r\n"};
  f.edit.push_front(HeaderId::record_route, "<r>");
  f.edit.push_front(HeaderId::via, "v");
  const std::string out = f.edit.serialise();
  EXPECT_NE(out.find("Via: v\r\n"), std::string::npos);
  EXPECT_LT(out.find("Record-Route"), out.find("To: t"));
}

std::string without(const std::string& line, std::initializer_list<int> removed) {
  Fixture f{head + line + "\r\nTo: t\r\n\r\n"};
  std::vector<HeaderValue> all;
  for (const HeaderValue& value : values(f.message, HeaderId::route)) all.push_back(value);
  for (const int index : removed) f.edit.remove(all[static_cast<std::size_t>(index)]);
  const std::string out = f.edit.serialise();
  EXPECT_EQ(out.substr(0, head.size()), head);
  return out.substr(head.size(), out.find("To: t") - head.size());
}

TEST(Edit, RemovingValuesKeepsTheCommasRightWhateverTheOrder) {
  const std::string line = "Route: <sip:a>, <sip:b>;x ,<sip:c>";
  EXPECT_EQ(without(line, {0}), "Route: <sip:b>;x ,<sip:c>\r\n");
  EXPECT_EQ(without(line, {1}), "Route: <sip:a>, <sip:c>\r\n");
  EXPECT_EQ(without(line, {2}), "Route: <sip:a>, <sip:b>;x\r\n");
  EXPECT_EQ(without(line, {0, 1}), "Route: <sip:c>\r\n");
  EXPECT_EQ(without(line, {1, 0}), "Route: <sip:c>\r\n");
  EXPECT_EQ(without(line, {0, 2}), "Route: <sip:b>;x\r\n");
  EXPECT_EQ(without(line, {2, 0}), "Route: <sip:b>;x\r\n");
  EXPECT_EQ(without(line, {1, 2}), "Route: <sip:a>\r\n");
  EXPECT_EQ(without(line, {2, 1}), "Route: <sip:a>\r\n");
  EXPECT_EQ(without(line, {2, 1, 0}), "");
  EXPECT_EQ(without(line, {0, 2, 1}), "");
  EXPECT_EQ(without("Route: <sip:a>", {0}), "");
  EXPECT_EQ(without("Route: <sip:a>,\r\n <sip:b>", {0}), "Route: <sip:b>\r\n");
}

TEST(Edit, OneValueOfALineIsReplacedAlone) {
  Fixture f{head + "Contact: <sip:a@x>;q=1, <sip:b@x>\r\n\r\n"};
  f.edit.replace(*last_value(f.message, HeaderId::contact), "<sip:c@y>");
  EXPECT_EQ(f.edit.serialise(), head + "Contact: <sip:a@x>;q=1, <sip:c@y>\r\n\r\n");
}

TEST(Edit, SetReplacesRemovesRepeatsOrAppends) {
  Fixture f{head + "Server: a\r\nTo: t\r\nServer: b\r\n\r\n"};
  f.edit.set(HeaderId::server, "c");
  f.edit.set(HeaderId::expires, "60");
  f.edit.set(HeaderId::expires, "30");
  EXPECT_EQ(f.edit.serialise(), head + "Server: c\r\nTo: t\r\nExpires: 30\r\n\r\n");
}

TEST(Edit, ValueOfAnEmptyHeaderCanBeSetTwice) {
  Fixture f{head + "Subject:\r\n\r\n"};
  f.edit.set(HeaderId::subject, "one");
  f.edit.set(HeaderId::subject, "two");
  EXPECT_EQ(f.edit.serialise(), head + "Subject:two\r\n\r\n");
}

TEST(Edit, RemovedHeaderSwallowsEarlierEditsInsideItButNotInsertionsAboveIt) {
  Fixture f{head + "Route: <a>, <b>\r\nTo: t\r\n\r\n"};
  f.edit.replace(*first_value(f.message, HeaderId::route), "<c>");
  f.edit.push_front(HeaderId::route, "<top>");
  f.edit.remove_all(HeaderId::route);
  f.edit.replace(*last_value(f.message, HeaderId::route), "<late>");
  EXPECT_EQ(f.edit.serialise(), head + "Route: <top>\r\nTo: t\r\n\r\n");
}

TEST(Edit, BodyAndItsLengthAreReplacedTogether) {
  Fixture f{std::string(samples::invite)};
  f.edit.replace_body("v=0\r\n");
  f.edit.replace_body("v=0\r\ns=x\r\n");
  Message after;
  const std::string out = f.edit.serialise();
  ASSERT_TRUE(parse(out, after));
  EXPECT_EQ(after.body(), "v=0\r\ns=x\r\n");
  EXPECT_EQ(after.value(HeaderId::content_length), "10");
  EXPECT_EQ(after.value(HeaderId::content_type), "application/sdp");
  EXPECT_EQ(after.count(HeaderId::content_length), 1u);
}

TEST(Edit, BodyIsAddedWithTypeAndLengthWhereThereWasNone) {
  Fixture f{head + "To: t\r\n\r\n"};
  f.edit.replace_body("abc", "text/plain");
  f.edit.replace_body("abcd", "text/html");
  EXPECT_EQ(f.edit.serialise(), head + "To: t\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\nabcd");
}

TEST(Edit, EmptyBodyTakesItsTypeAway) {
  Fixture f{head + "c: text/plain\r\nl: 2\r\n\r\nhi"};
  f.edit.replace_body("");
  EXPECT_EQ(f.edit.serialise(), head + "l: 0\r\n\r\n");
}

const std::string multipart_body =
    "preamble\r\n--b1\r\nContent-Type: text/plain\r\n\r\nhello\r\n"
    "--b1\r\nContent-Type: application/sdp\r\nContent-Disposition: session\r\n\r\nv=0\r\ns=-\r\n\r\n--b1--\r\n";

TEST(Edit, OnlyTheSdpPartOfAMultipartBodyIsTouched) {
  Fixture f{head + "Content-Type: multipart/mixed;boundary=\"b1\"\r\nContent-Length: " +
            std::to_string(multipart_body.size()) + "\r\n\r\n" + multipart_body};
  const auto sdp = find_sdp(f.message);
  ASSERT_TRUE(sdp);
  EXPECT_EQ(*sdp, "v=0\r\ns=-\r\n");
  f.edit.replace_body_part(*sdp, "v=0\r\n");
  const std::string out = f.edit.serialise();
  Message after;
  ASSERT_TRUE(parse(out, after));
  EXPECT_EQ(after.value(HeaderId::content_length), std::to_string(multipart_body.size() - 5));
  EXPECT_EQ(*find_sdp(after), "v=0\r\n");
  std::string expected = multipart_body;
  expected.erase(expected.find("s=-\r\n"), 5);
  EXPECT_EQ(after.body(), expected);
}

struct BodyRow {
  const char* type;
  std::string body;
  bool has_sdp;
};

TEST(Body, SdpIsFoundWhereItStandsInTheClear) {
  const std::string nested =
      "--o\r\nContent-Type: multipart/alternative;boundary=i\r\n\r\n--i\r\nc: application/sdp\r\n\r\n"
      "v=0\r\n--i--\r\n--o--\r\n";
  const BodyRow rows[] = {
      {"application/sdp", "v=0\r\n", true},
      {"Application / SDP ; charset=utf-8", "v=0\r\n", true},
      {"application/sdp", "", false},
      {"text/plain", "v=0\r\n", false},
      {"multipart/mixed;boundary=o", nested, true},
      {"multipart/mixed", nested, false},
      {"multipart/mixed;boundary=o", "--o\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n", false},
      {"multipart/mixed;boundary=o",
       "--o\r\nContent-Type: application/sdp\r\nContent-Transfer-Encoding: base64\r\n\r\ndj0w\r\n--o--\r\n", false},
      {"multipart/mixed;boundary=o", "--o--\r\n", false},
      {"multipart/mixed;boundary=o", "--o\r\n--o\r\n--o--\r\n", false},
      {"", "v=0\r\n", false},
  };
  for (const BodyRow& row : rows) {
    const std::string text = head + "Content-Type: " + row.type + "\r\n\r\n" + row.body;
    Message message;
    ASSERT_TRUE(parse(text, message));
    EXPECT_EQ(find_sdp(message).has_value(), row.has_sdp) << row.type << "\n" << row.body;
  }
}

TEST(Body, EncodedBodyIsNotEdited) {
  const std::string text = head + "Content-Type: application/sdp\r\ne: gzip\r\n\r\nv=0\r\n";
  Message message;
  ASSERT_TRUE(parse(text, message));
  EXPECT_FALSE(find_sdp(message));
}

}  // namespace
}  // namespace sallyport::sip
