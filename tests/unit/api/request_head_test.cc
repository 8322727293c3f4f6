// SPDX-License-Identifier: Apache-2.0
#include "controlplane/api/request_head.h"

#include <gmock/gmock.h>

namespace sallyport::api {
namespace {

TEST(RequestHead, TellsWhatTheServerGoesBy) {
  RequestHead head;
  const auto refused = read_request_head("POST /v1/domains?a=b HTTP/1.1\r\nhost: Edge.example.com:8443\r\nCOOKIE: a=b; __Host-sallyport=x\r\nX-CSRF-Token: y\r\nOrigin: https://edge\r\nSec-Fetch-Site: same-origin\r\nContent-Length: 17\r\nExpect: 100-Continue\r\nConnection: close\r\n\r\n", head);
  ASSERT_FALSE(refused) << refused->fault.text();
  EXPECT_EQ(head.method, "POST");
  EXPECT_EQ(head.target, "/v1/domains?a=b");
  EXPECT_EQ(head.host, "Edge.example.com:8443");
  EXPECT_EQ(cookie_value(head.cookie, "__Host-sallyport"), "x");
  EXPECT_EQ(head.csrf, "y");
  EXPECT_EQ(head.origin, "https://edge");
  EXPECT_EQ(head.fetch_site, "same-origin");
  EXPECT_EQ(head.body_bytes, 17u);
  EXPECT_TRUE(head.expects_continue);
  EXPECT_FALSE(head.keep_alive);
  RequestHead plain;
  ASSERT_FALSE(read_request_head("GET / HTTP/1.1\r\nHost: a\r\n\r\n", plain));
  EXPECT_TRUE(plain.keep_alive);
  EXPECT_EQ(plain.body_bytes, 0u);
}

TEST(RequestHead, RefusesWhatOthersMightReadOtherwise) {
  struct Row {
    std::string bytes;
    unsigned status;
  };
  const std::string begin = "GET / HTTP/1.1\r\nHost: a\r\n";
  std::string many = begin;
  for (int count = 0; count < 70; ++count) many += "X" + std::to_string(count) + ": y\r\n";
  for (const Row& row : {Row{begin + "X: y\r\n z\r\n\r\n", 400}, Row{begin + "X: y\r\n\tz\r\n\r\n", 400}, Row{begin + "X: y\nZ: a\r\n\r\n", 400}, Row{begin + "X: y\rZ: a\r\n\r\n", 400}, Row{begin + std::string("X: \0y\r\n\r\n", 9), 400}, Row{begin + "X : y\r\n\r\n", 400},
                         Row{begin + ": y\r\n\r\n", 400}, Row{begin + "Host: b\r\n\r\n", 400}, Row{"GET / HTTP/1.1\r\nX: y\r\n\r\n", 400}, Row{"GET / HTTP/1.0\r\nHost: a\r\n\r\n", 505}, Row{"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 400},
                         Row{"GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400}, Row{"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 400}, Row{"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400}, Row{begin + "Transfer-Encoding: chunked\r\n\r\n", 501}, Row{begin + "Transfer-Encoding: identity\r\n\r\n", 501},
                         Row{begin + "Content-Length: 1\r\nContent-Length: 1\r\n\r\n", 400}, Row{begin + "Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400}, Row{begin + "Content-Length: -1\r\n\r\n", 400}, Row{begin + "Content-Length: 0x1\r\n\r\n", 400},
                         Row{begin + "Content-Length: 99999999999999999999\r\n\r\n", 400}, Row{begin + "Cookie: a=b\r\nCookie: c=d\r\n\r\n", 400}, Row{begin + "X-CSRF-Token: a\r\nX-CSRF-Token: b\r\n\r\n", 400}, Row{begin + "Expect: more\r\n\r\n", 417}, Row{many + "\r\n", 431},
                         Row{"\r\n\r\n", 400}, Row{"", 400}, Row{begin, 400}, Row{begin + "\r\nrest", 400}}) {
    RequestHead head;
    const auto refused = read_request_head(row.bytes, head);
    ASSERT_TRUE(refused) << row.bytes;
    EXPECT_EQ(refused->status, row.status) << row.bytes;
  }
}

TEST(RequestHead, ACookieThatStandsTwiceIsNone) {
  EXPECT_EQ(cookie_value("a=1; b=2;c=3", "c"), "3");
  EXPECT_EQ(cookie_value("a=1; b=2", "c"), "");
  EXPECT_EQ(cookie_value("a=1; a=1", "a"), "");
  EXPECT_EQ(cookie_value("aa=1; xa=2; a", "a"), "");
  EXPECT_EQ(cookie_value(";;; a==x ;", "a"), "=x ");
}

TEST(RequestHead, AHostIsSplitIntoNameAndPort) {
  struct Row {
    const char* host;
    bool fine;
    const char* name;
    std::uint16_t port;
  };
  for (const Row& row : {Row{"A.example", true, "a.example", 0}, Row{"a.example:8443", true, "a.example", 8443}, Row{"192.0.2.1:443", true, "192.0.2.1", 443}, Row{"[2001:DB8::1]:443", true, "2001:db8::1", 443}, Row{"[::1]", true, "::1", 0}, Row{"", false, "", 0}, Row{":443", false, "", 443},
                         Row{"a:", false, "", 0}, Row{"a:0", false, "", 0}, Row{"a:65536", false, "", 0}, Row{"a:1:2", false, "", 0}, Row{"[::1", false, "", 0}, Row{"[::1]x", false, "", 0}, Row{"a:1x", false, "", 0}}) {
    std::string name;
    std::uint16_t port = 0;
    EXPECT_EQ(split_host(row.host, name, port), row.fine) << row.host;
    if (row.fine) EXPECT_EQ(name + ":" + std::to_string(port), row.name + (":" + std::to_string(row.port))) << row.host;
  }
}

}  // namespace
}  // namespace sallyport::api
