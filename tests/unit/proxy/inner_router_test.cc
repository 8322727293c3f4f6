// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/proxy/wire.h"

namespace sallyport::proxy {
namespace {

class InnerRouterTest : public testing::Test {
 protected:
  static constexpr uint64_t link = 77;
  static InnerSettings settings() {
    InnerSettings s;
    s.agent = "c1.inside.example.com";
    s.inner_host = "10.20.0.10";
    return s;
  }
  static OwnNames own() {
    OwnNames names;
    names.add("c1.inside.example.com", 7001);
    names.add("10.20.0.10", 5060);
    return names;
  }

  InnerRouterTest()
      : wheel(io), registrations(100),
        router(settings(), own(), sip::FlowTokens("link", test_key(1)), sip::FlowTokens("contact", test_key(1)), nodes, registrations, [this] { return wheel.now_ms(); }),
        proxy(wheel, timers, 100, router, anchor),
        edge(std::make_shared<MemoryHop>(31, Side::traversal, Transport::tls, "192.0.2.10", 7001)),
        cm1(std::make_shared<MemoryHop>(41, Side::call_control, Transport::tcp, "10.20.0.20", 5060)),
        cm2(std::make_shared<MemoryHop>(42, Side::call_control, Transport::tcp, "10.20.0.21", 5060)) {
    router.set_link(link, edge);
    add_node("cm1", "10.20.0.20", cm1, 1);
    add_node("cm2", "10.20.0.21", cm2, 2);
  }
  void add_node(const std::string& name, const std::string& host, const std::shared_ptr<MemoryHop>& hop, uint32_t priority) {
    CallControlNode node;
    node.name = name;
    node.host = host;
    node.transport = Transport::tcp;
    node.priority = priority;
    node.hop = hop;
    nodes.add(std::move(node));
  }

  static constexpr const char* edge_path = "<sip:FLOW@edge.example.com:5061;transport=tls;lr;ob>";
  static std::string request(const std::string& method, const std::string& uri, const std::string& extra, const std::string& branch = "z9hG4bKe1") {
    return method + " " + uri + " SIP/2.0\r\nVia: SIP/2.0/TLS edge.example.com:7001;branch=" + branch + "\r\nMax-Forwards: 69\r\n"
           "From: <sip:a@example.com>;tag=f1\r\nTo: <sip:a@example.com>\r\nCall-ID: " + method + branch + "\r\nCSeq: 1 " + method + "\r\n" + extra + "Content-Length: 0\r\n\r\n";
  }
  static std::string register_request(const std::string& branch = "z9hG4bKe1") {
    return request("REGISTER", "sip:example.com", "Path: " + std::string(edge_path) + "\r\nContact: <sip:a@10.0.0.5:5061;transport=tls>;reg-id=1;+sip.instance=\"<urn:uuid:1>\"\r\n", branch);
  }
  static std::string answer_to(const std::string& asked, const std::string& status, const std::string& extra) {
    sip::Message message;
    EXPECT_TRUE(sip::parse(asked, message).ok()) << asked;
    std::string text = "SIP/2.0 " + status + "\r\n";
    for (const sip::Header& header : message.headers())
      if (header.id == sip::HeaderId::via || header.id == sip::HeaderId::from || header.id == sip::HeaderId::call_id || header.id == sip::HeaderId::cseq || header.id == sip::HeaderId::to)
        text += std::string(header.name) + ": " + std::string(header.value) + "\r\n";
    return text + extra + "Content-Length: 0\r\n\r\n";
  }

  boost::asio::io_context io;
  TimerWheel wheel;
  TimerSettings timers;
  RegistrationTable registrations;
  NoAnchor anchor;
  CallControl nodes;
  InnerRouter router;
  Proxy proxy;
  std::shared_ptr<MemoryHop> edge, cm1, cm2;
};

TEST_F(InnerRouterTest, RegisterInModePathStacksOurPathAboveTheEdges) {
  proxy.on_message(edge, register_request());
  const std::string sent = cm1->take();
  const size_t ours = sent.find("@10.20.0.10:5060;transport=tcp;lr;ob>");
  const size_t edges = sent.find(edge_path);
  ASSERT_NE(ours, std::string::npos) << sent;
  ASSERT_NE(edges, std::string::npos);
  EXPECT_LT(ours, edges);
  EXPECT_NE(header_of(sent, "Contact").find("sip:a@10.0.0.5:5061"), std::string::npos);
}

TEST_F(InnerRouterTest, RequestFromCallControlFollowsPathThroughTheLink) {
  proxy.on_message(edge, register_request());
  const std::string path = header_of(cm1->take(), "Path");
  proxy.on_message(cm1, "INVITE sip:a@10.0.0.5:5061;transport=tls SIP/2.0\r\nVia: SIP/2.0/TCP 10.20.0.20;branch=z9hG4bKk1\r\nMax-Forwards: 68\r\nRoute: " + path + ", " + edge_path +
                        "\r\nFrom: <sip:b@example.com>;tag=g\r\nTo: <sip:a@example.com>\r\nCall-ID: c9\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n");
  const std::string sent = edge->take();
  EXPECT_EQ(header_of(sent, "Route"), edge_path);
  EXPECT_NE(header_of(sent, "Record-Route").find("c1.inside.example.com:7001"), std::string::npos);
  EXPECT_EQ(start_line(sent), "INVITE sip:a@10.0.0.5:5061;transport=tls SIP/2.0");
}

TEST_F(InnerRouterTest, RegistrarThatIgnoresPathIsLearntFromItsAnswer) {
  proxy.on_message(edge, register_request());
  proxy.on_message(cm1, answer_to(cm1->take(), "200 OK", "Contact: <sip:a@10.0.0.5:5061;transport=tls>;expires=600\r\n"));
  edge->sent.clear();
  proxy.on_message(edge, register_request("z9hG4bKe2"));
  const std::string sent = cm1->take();
  EXPECT_EQ(header_of(sent, "Path"), "");
  const std::string contact = header_of(sent, "Contact");
  EXPECT_NE(contact.find("@10.20.0.10:5060;transport=tcp>"), std::string::npos) << contact;
  EXPECT_NE(contact.find("+sip.instance=\"<urn:uuid:1>\""), std::string::npos) << "the instance is kept";
  EXPECT_EQ(contact.find("reg-id"), std::string::npos) << "with it a registrar answers 439: " << contact;

  // The 200 repeats the binding; the phone must see its own contact.
  proxy.on_message(cm1, answer_to(sent, "200 OK", "Contact: " + contact + ";expires=600\r\n"));
  EXPECT_NE(header_of(edge->take(), "Contact").find("<sip:a@10.0.0.5:5061;transport=tls>"), std::string::npos);

  // A call to the binding gets the phone's contact and the edge's flow back.
  const std::string uri = contact.substr(1, contact.find('>') - 1);
  proxy.on_message(cm1, "INVITE " + uri + " SIP/2.0\r\nVia: SIP/2.0/TCP 10.20.0.20;branch=z9hG4bKk2\r\nMax-Forwards: 68\r\n"
                        "From: <sip:b@example.com>;tag=g\r\nTo: <sip:a@example.com>\r\nCall-ID: c10\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n");
  const std::string invite = edge->take();
  EXPECT_EQ(start_line(invite), "INVITE sip:a@10.0.0.5:5061;transport=tls SIP/2.0");
  EXPECT_EQ(header_of(invite, "Route"), edge_path);
}

TEST_F(InnerRouterTest, AlteredBindingIsNotFollowed) {
  nodes.nodes()[0].mode = RegistrarMode::contact;
  proxy.on_message(edge, register_request());
  std::string contact = header_of(cm1->take(), "Contact");
  char& letter = contact[contact.find('@') - 3];
  letter = letter == 'A' ? 'B' : 'A';
  proxy.on_message(cm1, "MESSAGE " + contact.substr(1, contact.find('>') - 1) + " SIP/2.0\r\nVia: SIP/2.0/TCP 10.20.0.20;branch=z9hG4bKk3\r\nMax-Forwards: 68\r\n"
                        "From: <sip:b@example.com>;tag=g\r\nTo: <sip:a@example.com>\r\nCall-ID: c11\r\nCSeq: 1 MESSAGE\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(start_line(cm1->take()).substr(0, 11), "SIP/2.0 404");
  EXPECT_TRUE(edge->sent.empty());
}

TEST_F(InnerRouterTest, BrokenNodeIsPassedOver) {
  cm1->open = false;
  proxy.on_message(edge, register_request());
  EXPECT_FALSE(cm2->sent.empty());
}

TEST_F(InnerRouterTest, NodeThatBreaksUnderARequestFailsOver) {
  proxy.on_message(edge, register_request());
  ASSERT_EQ(cm1->sent.size(), 1u);
  cm1->open = false;
  proxy.on_hop_lost(*cm1);
  EXPECT_TRUE(edge->sent.empty()) << "the client does not notice";
  EXPECT_EQ(start_line(cm2->take()), "REGISTER sip:example.com SIP/2.0");
  EXPECT_TRUE(nodes.nodes()[0].is_down);
}

TEST_F(InnerRouterTest, NodeThatIsSilentLosesWhatItNeverAnswered) {
  proxy.on_message(edge, request("INVITE", "sip:b@example.com", "", "z9hG4bKe5"));
  proxy.on_message(edge, request("MESSAGE", "sip:b@example.com", "", "z9hG4bKe6"));
  proxy.on_message(cm1, answer_to(cm1->take(), "180 Ringing", ""));
  proxy.on_hop_silent(*cm1);
  EXPECT_EQ(start_line(cm2->take()), "MESSAGE sip:b@example.com SIP/2.0");
  EXPECT_TRUE(cm2->sent.empty()) << "the INVITE rings at the first node";
}

TEST_F(InnerRouterTest, AllNodesDownIsSaidWithRetryAfter) {
  for (auto& node : nodes.nodes()) node.is_down = true;
  proxy.on_message(edge, register_request());
  const std::string answered = edge->take();
  EXPECT_EQ(start_line(answered).substr(0, 11), "SIP/2.0 503");
  EXPECT_EQ(header_of(answered, "Retry-After"), "10");
}

TEST_F(InnerRouterTest, ClientCannotRouteToAnotherInsideHost) {
  proxy.on_message(edge, request("MESSAGE", "sip:x@10.20.0.99", "Route: <sip:c1.inside.example.com:7001;transport=tls;lr>, <sip:10.20.0.99:25;lr>\r\n"));
  EXPECT_EQ(start_line(edge->take()).substr(0, 11), "SIP/2.0 403");
  EXPECT_EQ(router.counters().foreign_route, 1u);
}

TEST_F(InnerRouterTest, TlsOfCallControlIsTakenOnTheNextPort) {
  auto secure = std::make_shared<MemoryHop>(43, Side::call_control, Transport::tls, "10.20.0.22", 5061);
  add_node("cm0", "10.20.0.22", secure, 0);
  nodes.nodes()[0].transport = Transport::tls;
  proxy.on_message(edge, register_request());
  EXPECT_NE(header_of(secure->take(), "Path").find("@10.20.0.10:5061;transport=tls;lr"), std::string::npos);
}

// A message of 100 KB once made its node count as broken, and every call after it was refused.
TEST_F(InnerRouterTest, WhatNoDatagramCarriesIsRefusedAndItsNodeStaysUp) {
  auto datagrams = std::make_shared<MemoryHop>(44, Side::call_control, Transport::udp, "10.20.0.23", 5060);
  add_node("cm0", "10.20.0.23", datagrams, 0);
  proxy.on_message(edge, request("MESSAGE", "sip:b@example.com", "X-Long: " + std::string(65'000, 'x') + "\r\nX-More: " + std::string(1'000, 'x') + "\r\n"));
  EXPECT_EQ(start_line(edge->take()).substr(0, 11), "SIP/2.0 513");
  EXPECT_TRUE(datagrams->sent.empty());
  EXPECT_TRUE(cm1->sent.empty()) << "the next node would fare no better";
  EXPECT_FALSE(nodes.nodes()[0].is_down);
  EXPECT_EQ(proxy.counters().oversized, 1u);
}

TEST_F(InnerRouterTest, DrainingRefusesNewCallsAndNothingElse) {
  proxy.refuse_new_calls();
  proxy.on_message(edge, request("INVITE", "sip:b@example.com", ""));
  const std::string refused = edge->take();
  EXPECT_EQ(start_line(refused).substr(0, 11), "SIP/2.0 503");
  EXPECT_EQ(header_of(refused, "Retry-After"), "10");
  proxy.on_message(edge, register_request("z9hG4bKe3"));
  EXPECT_EQ(start_line(cm1->take()), "REGISTER sip:example.com SIP/2.0");
}

TEST_F(InnerRouterTest, OwnRequestsGetTheirAnswer) {
  int status = 0;
  ASSERT_TRUE(proxy.originate(cm1, "OPTIONS sip:10.20.0.20 SIP/2.0\r\nMax-Forwards: 70\r\nFrom: <sip:c1>;tag=1\r\nTo: <sip:10.20.0.20>\r\nCall-ID: o1\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
                              [&](const sip::Message& response) { status = response.status(); }));
  proxy.on_message(cm1, answer_to(cm1->take(), "405 Method Not Allowed", ""));
  EXPECT_EQ(status, 405);
  EXPECT_EQ(proxy.transactions(), 0u);
}

}  // namespace
}  // namespace sallyport::proxy
