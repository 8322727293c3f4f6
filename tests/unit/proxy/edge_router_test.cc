// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/proxy/wire.h"

namespace sallyport::proxy {
namespace {

class EdgeRouterTest : public testing::Test {
 protected:
  static EdgeSettings settings() {
    EdgeSettings s;
    s.agent = "edge.example.com";
    s.client_host = "edge.example.com";
    s.traversal_host = "edge.example.com";
    s.domains = {"example.com"};
    return s;
  }
  static OwnNames own() {
    OwnNames names;
    names.add("edge.example.com", 5061);
    names.add("edge.example.com", 7001);
    return names;
  }

  EdgeRouterTest()
      : wheel(io), registrations(100), router(settings(), own(), sip::FlowTokens("flow", test_key(1)), registrations, [this] { return wheel.now_ms(); }),
        proxy(wheel, timers, 100, router, anchor),
        phone(std::make_shared<MemoryHop>(11, Side::client, Transport::tls, "198.51.100.7", 40112)),
        inner(std::make_shared<MemoryHop>(21, Side::traversal, Transport::tls, "192.0.2.20", 25001)) {
    router.add_client(phone);
    router.add_peer(inner, "c1.inside.example.com");
    router.answer = [this](const std::shared_ptr<Hop>& hop, const sip::Message& request, int status) { proxy.answer(hop, request, status); };
  }

  std::string register_request(const std::string& domain = "example.com") {
    return "REGISTER sip:" + domain + " SIP/2.0\r\nVia: SIP/2.0/TLS 10.0.0.5:5061;branch=z9hG4bKr1;rport\r\nMax-Forwards: 70\r\n"
           "From: <sip:a@example.com>;tag=f1\r\nTo: <sip:a@example.com>\r\nCall-ID: reg1\r\nCSeq: 1 REGISTER\r\nSupported: path, outbound\r\n"
           "Contact: <sip:a@10.0.0.5:5061;transport=tls>;reg-id=1;+sip.instance=\"<urn:uuid:1>\"\r\n"
           "Authorization: Digest username=\"a\", realm=\"example.com\", uri=\"sip:example.com\", response=\"00\"\r\nX-Unknown:  kept  \r\nContent-Length: 0\r\n\r\n";
  }
  // The response a next hop gives to what it received: its Vias, From, To, Call-ID, CSeq and whatever else is given.
  static std::string answer_to(const std::string& request, const std::string& status, const std::string& extra = "") {
    sip::Message message;
    EXPECT_TRUE(sip::parse(request, message).ok());
    std::string text = "SIP/2.0 " + status + "\r\n";
    for (const sip::Header& header : message.headers())
      if (header.id == sip::HeaderId::via || header.id == sip::HeaderId::from || header.id == sip::HeaderId::call_id || header.id == sip::HeaderId::cseq)
        text += std::string(header.name) + ": " + std::string(header.value) + "\r\n";
    return text + "To: " + std::string(message.value(sip::HeaderId::to)) + (status.starts_with("100") ? "" : ";tag=t1") + "\r\n" + extra + "Content-Length: 0\r\n\r\n";
  }
  static std::string replaced(std::string text, const std::string& from, const std::string& to) {
    const size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return at == std::string::npos ? text : text.replace(at, from.size(), to);
  }
  std::string invite_request(const std::string& extra = "", const std::string& branch = "z9hG4bKi1") {
    return "INVITE sip:b@example.com SIP/2.0\r\nVia: SIP/2.0/TLS 10.0.0.5:5061;branch=" + branch + ";rport\r\nMax-Forwards: 70\r\n"
           "From: <sip:a@example.com>;tag=f1\r\nTo: <sip:b@example.com>\r\nCall-ID: call1\r\nCSeq: 1 INVITE\r\nContact: <sip:a@10.0.0.5:5061;transport=tls>\r\n" +
           extra + "Content-Length: 0\r\n\r\n";
  }
  std::string flow_path() {
    proxy.on_message(phone, register_request());
    const std::string path = header_of(inner->take(), "Path");
    phone->sent.clear();
    return path;
  }

  boost::asio::io_context io;
  TimerWheel wheel;
  TimerSettings timers;
  RegistrationTable registrations;
  NoAnchor anchor;
  EdgeRouter router;
  Proxy proxy;
  std::shared_ptr<MemoryHop> phone, inner;
};

// Two tenants, each with its C, behind one E.
TEST_F(EdgeRouterTest, C01_F02_AClientReachesTheCOfItsTenantAndNoOther) {
  const auto theirs = std::make_shared<MemoryHop>(22, Side::traversal, Transport::tls, "192.0.2.30", 25002);
  router.remove_peer(inner->id);
  router.add_peer(inner, "c1.inside.example.com", "A");
  router.add_peer(theirs, "c1.inside.example.com", "B");  // two tenants may call theirs alike
  router.zone_of = [](std::string_view domain) { return std::optional<std::string>(domain == "example.com" ? "A" : domain == "tenant.example.net" ? "B" : ""); };
  proxy.on_message(phone, register_request());
  EXPECT_EQ(start_line(inner->take()), "REGISTER sip:example.com SIP/2.0");
  proxy.on_message(phone, replaced(register_request("tenant.example.net"), "branch=z9hG4bKr1", "branch=z9hG4bKr2"));
  EXPECT_EQ(start_line(theirs->take()), "REGISTER sip:tenant.example.net SIP/2.0");
  EXPECT_TRUE(inner->sent.empty());
  proxy.on_message(phone, replaced(register_request("other.example.org"), "branch=z9hG4bKr1", "branch=z9hG4bKr3"));
  EXPECT_EQ(start_line(phone->take()), "SIP/2.0 403 Domain not served here");
  proxy.on_message(phone, replaced(invite_request("", "z9hG4bKi9"), "<sip:a@example.com>;tag=f1", "<sip:a@other.example.org>;tag=f1"));
  EXPECT_EQ(start_line(phone->take()), "SIP/2.0 403 Domain not served here");
  // By who calls, not by who is called.
  proxy.on_message(phone, replaced(invite_request(), "<sip:a@example.com>;tag=f1", "<sip:a@tenant.example.net>;tag=f1"));
  EXPECT_EQ(start_line(theirs->take()), "INVITE sip:b@example.com SIP/2.0");
  EXPECT_TRUE(inner->sent.empty());
  // A tenant whose C is gone does not fall to another's.
  phone->sent.clear();
  router.remove_peer(theirs->id);
  proxy.on_message(phone, replaced(register_request("tenant.example.net"), "branch=z9hG4bKr1", "branch=z9hG4bKr4"));
  EXPECT_EQ(start_line(phone->take()), "SIP/2.0 503 Traversal zone is down");
  EXPECT_TRUE(inner->sent.empty());
}

TEST_F(EdgeRouterTest, RegisterGetsPathWithObAndStaysOtherwiseAsItWas) {
  proxy.on_message(phone, register_request());
  const std::string sent = inner->take();
  EXPECT_EQ(start_line(sent), "REGISTER sip:example.com SIP/2.0");
  EXPECT_NE(header_of(sent, "Path").find("@edge.example.com:5061;transport=tls;lr;ob>"), std::string::npos);
  EXPECT_EQ(header_of(sent, "Max-Forwards"), "69");
  EXPECT_NE(sent.find("received=198.51.100.7"), std::string::npos);
  EXPECT_NE(sent.find("rport=40112"), std::string::npos);
  EXPECT_NE(sent.find("X-Unknown:  kept  \r\n"), std::string::npos) << "unknown headers pass byte for byte";
  EXPECT_NE(sent.find("uri=\"sip:example.com\", response=\"00\""), std::string::npos) << "digest is never touched";
}

TEST_F(EdgeRouterTest, RegistrationIsLearntFromTheRegistrarsAnswerAlone) {
  proxy.on_message(phone, register_request());
  const std::string asked = inner->take();
  EXPECT_TRUE(registrations.list(wheel.now_ms()).empty());
  proxy.on_message(inner, answer_to(asked, "200 OK", "Require: outbound\r\nContact: <sip:a@10.0.0.5:5061;transport=tls>;+sip.instance=\"<urn:uuid:1>\";expires=600\r\n"));
  const std::string answered = phone->take();
  EXPECT_EQ(header_of(answered, "Flow-Timer"), "120");
  const auto entries = registrations.list(wheel.now_ms());
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_EQ(entries[0].aor, "sip:a@example.com");
  EXPECT_EQ(entries[0].flow_id, phone->id);
}

TEST_F(EdgeRouterTest, ChallengeGoesBackUntouchedAndLeavesNoTransaction) {
  proxy.on_message(phone, register_request());
  proxy.on_message(inner, answer_to(inner->take(), "401 Unauthorized", "WWW-Authenticate: Digest realm=\"example.com\", nonce=\"n\"\r\n"));
  const std::string answered = phone->take();
  EXPECT_EQ(start_line(answered), "SIP/2.0 401 Unauthorized");
  EXPECT_EQ(header_of(answered, "WWW-Authenticate"), "Digest realm=\"example.com\", nonce=\"n\"");
  EXPECT_EQ(proxy.transactions(), 0u);
}

TEST_F(EdgeRouterTest, ForeignDomainIsRefused) {
  proxy.on_message(phone, register_request("other.example"));
  EXPECT_EQ(start_line(phone->take()).substr(0, 11), "SIP/2.0 403");
  EXPECT_TRUE(inner->sent.empty());
}

TEST_F(EdgeRouterTest, RequestFromInsideFollowsItsFlowTokenToTheClient) {
  const std::string path = flow_path();
  proxy.on_message(inner, "INVITE sip:a@10.0.0.5:5061;transport=tls SIP/2.0\r\nVia: SIP/2.0/TLS c1.inside.example.com;branch=z9hG4bKx\r\nMax-Forwards: 60\r\n"
                          "Route: " + path + "\r\nFrom: <sip:b@example.com>;tag=g\r\nTo: <sip:a@example.com>\r\nCall-ID: c2\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n");
  const std::string sent = phone->take();
  EXPECT_EQ(start_line(sent), "INVITE sip:a@10.0.0.5:5061;transport=tls SIP/2.0");
  EXPECT_EQ(header_of(sent, "Route"), "");
  EXPECT_NE(header_of(sent, "Record-Route").find("edge.example.com:5061"), std::string::npos) << "the client's side stands on top";
}

TEST_F(EdgeRouterTest, FlowThatIsGoneIsAnsweredWith430) {
  const std::string path = flow_path();
  router.remove_client(phone->id);
  proxy.on_message(inner, "MESSAGE sip:a@10.0.0.5 SIP/2.0\r\nVia: SIP/2.0/TLS c1.inside.example.com;branch=z9hG4bKy\r\nMax-Forwards: 60\r\n"
                          "Route: " + path + "\r\nFrom: <sip:b@example.com>;tag=g\r\nTo: <sip:a@example.com>\r\nCall-ID: c3\r\nCSeq: 1 MESSAGE\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(start_line(inner->take()), "SIP/2.0 430 Flow Failed");
}

// Phones whose connection broke in a call never heard the other side's BYE: the dialog keeps the token of the old flow.
TEST_F(EdgeRouterTest, DialogOfAClientThatCameBackFollowsItToItsNewFlow) {
  const std::string path = flow_path();
  router.remove_client(phone->id);
  const auto again = std::make_shared<MemoryHop>(12, Side::client, Transport::tls, "198.51.100.7", 40200);
  router.add_client(again);
  const auto from_inside = [&](const std::string& method, const std::string& user, const std::string& to_tag) {
    proxy.on_message(inner, method + " sip:" + user + "@10.0.0.5:5061;transport=tls SIP/2.0\r\nVia: SIP/2.0/TLS c1.inside.example.com;branch=z9hG4bK" + method + user + to_tag +
                                "\r\nMax-Forwards: 60\r\nRoute: " + path + "\r\nFrom: <sip:b@example.com>;tag=g\r\nTo: <sip:a@example.com>" + (to_tag.empty() ? "" : ";tag=" + to_tag) +
                                "\r\nCall-ID: c3\r\nCSeq: 2 " + method + "\r\nContent-Length: 0\r\n\r\n");
  };
  from_inside("BYE", "a", "t1");
  EXPECT_EQ(start_line(inner->take()), "SIP/2.0 430 Flow Failed") << "it has not registered yet";
  proxy.on_message(again, register_request());
  proxy.on_message(inner, answer_to(inner->take(), "200 OK", "Contact: <sip:a@10.0.0.5:5061;transport=tls>;+sip.instance=\"<urn:uuid:1>\";expires=60\r\n"));
  again->sent.clear();
  from_inside("BYE", "other", "t2");
  EXPECT_EQ(start_line(inner->take()), "SIP/2.0 430 Flow Failed") << "another device of the same user";
  from_inside("MESSAGE", "a", "");
  EXPECT_EQ(start_line(inner->take()), "SIP/2.0 430 Flow Failed") << "outside a dialog the registrar knows the new flow";
  from_inside("BYE", "a", "t3");
  EXPECT_EQ(start_line(again->take()).substr(0, 3), "BYE");
}

// A C that has had a token of this node names whom it likes: it must not find phones of another tenant.
TEST_F(EdgeRouterTest, C01_ACFindsNoPhoneOfAnotherTenantBehindAFlowThatIsGone) {
  const std::string path = flow_path();
  router.remove_client(phone->id);
  const auto again = std::make_shared<MemoryHop>(12, Side::client, Transport::tls, "198.51.100.7", 40200);
  const auto theirs = std::make_shared<MemoryHop>(22, Side::traversal, Transport::tls, "192.0.2.30", 25002);
  router.add_client(again);
  router.remove_peer(inner->id);
  router.add_peer(inner, "c1.inside.example.com", "A");
  router.add_peer(theirs, "c2.inside.example.com", "B");
  router.zone_of = [](std::string_view domain) { return std::optional<std::string>(domain == "example.com" ? "A" : "B"); };
  proxy.on_message(again, register_request());
  proxy.on_message(inner, answer_to(inner->take(), "200 OK", "Contact: <sip:a@10.0.0.5:5061;transport=tls>;+sip.instance=\"<urn:uuid:1>\";expires=60\r\n"));
  again->sent.clear();
  const auto bye_from = [&](const std::shared_ptr<MemoryHop>& hop, const std::string& branch) {
    proxy.on_message(hop, "BYE sip:a@10.0.0.5:5061;transport=tls SIP/2.0\r\nVia: SIP/2.0/TLS c1.inside.example.com;branch=" + branch + "\r\nMax-Forwards: 60\r\nRoute: " + path +
                              "\r\nFrom: <sip:b@example.com>;tag=g\r\nTo: <sip:a@example.com>;tag=t\r\nCall-ID: c3\r\nCSeq: 2 BYE\r\nContent-Length: 0\r\n\r\n");
  };
  bye_from(theirs, "z9hG4bKt1");
  EXPECT_EQ(start_line(theirs->take()), "SIP/2.0 430 Flow Failed");
  EXPECT_TRUE(again->sent.empty());
  bye_from(inner, "z9hG4bKt2");
  EXPECT_EQ(start_line(again->take()).substr(0, 3), "BYE");
}

TEST_F(EdgeRouterTest, ForgedFlowTokenIsRefused) {
  std::string path = flow_path();
  char& letter = path[path.find("sip:") + 6];
  letter = letter == 'A' ? 'B' : 'A';
  proxy.on_message(inner, "MESSAGE sip:a@10.0.0.5 SIP/2.0\r\nVia: SIP/2.0/TLS c1.inside.example.com;branch=z9hG4bKz\r\nMax-Forwards: 60\r\n"
                          "Route: " + path + "\r\nFrom: <sip:b@example.com>;tag=g\r\nTo: <sip:a@example.com>\r\nCall-ID: c4\r\nCSeq: 1 MESSAGE\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(start_line(inner->take()).substr(0, 11), "SIP/2.0 403");
  EXPECT_EQ(router.counters().bad_token, 1u);
}

// RFC 3261 17.2.1.
TEST_F(EdgeRouterTest, InviteThatNobodyAnswersGetsTrying) {
  timers.trying_ms = 20;
  proxy.on_message(phone, invite_request());
  EXPECT_TRUE(phone->sent.empty());
  while (phone->sent.empty() && io.run_one_for(std::chrono::seconds(10)) != 0) {
  }
  EXPECT_EQ(start_line(phone->take()), "SIP/2.0 100 Trying");
}

TEST_F(EdgeRouterTest, InviteThatRingsInTimeGetsNoTrying) {
  proxy.on_message(phone, invite_request());
  EXPECT_EQ(wheel.armed(), 2u) << "timer C and the 100";
  proxy.on_message(inner, answer_to(inner->take(), "180 Ringing"));
  EXPECT_EQ(start_line(phone->take()), "SIP/2.0 180 Ringing");
  EXPECT_EQ(wheel.armed(), 1u);
}

TEST_F(EdgeRouterTest, InviteOverUdpGetsTryingAtOnce) {
  const auto udp = std::make_shared<MemoryHop>(12, Side::client, Transport::udp, "198.51.100.8", 5060);
  router.add_client(udp);
  proxy.on_message(udp, invite_request());
  EXPECT_EQ(start_line(udp->take()), "SIP/2.0 100 Trying");
}

TEST_F(EdgeRouterTest, InviteGetsTwoRecordRoutes) {
  proxy.on_message(phone, invite_request());
  const std::string sent = inner->take();
  const size_t zone_side = sent.find("@edge.example.com:7001;transport=tls;lr>");
  const size_t client_side = sent.find("@edge.example.com:5061;transport=tls;lr>");
  ASSERT_NE(zone_side, std::string::npos);
  ASSERT_NE(client_side, std::string::npos);
  EXPECT_LT(zone_side, client_side);
}

TEST_F(EdgeRouterTest, CancelBeforeAnyProvisionalWaitsForOne) {
  proxy.on_message(phone, invite_request());
  const std::string invite = inner->take();
  phone->sent.clear();
  proxy.on_message(phone, "CANCEL sip:b@example.com SIP/2.0\r\nVia: SIP/2.0/TLS 10.0.0.5:5061;branch=z9hG4bKi1;rport\r\nMax-Forwards: 70\r\n"
                          "From: <sip:a@example.com>;tag=f1\r\nTo: <sip:b@example.com>\r\nCall-ID: call1\r\nCSeq: 1 CANCEL\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(start_line(phone->take()), "SIP/2.0 200 OK");
  EXPECT_TRUE(inner->sent.empty());
  proxy.on_message(inner, answer_to(invite, "180 Ringing"));
  EXPECT_EQ(start_line(inner->take()), "CANCEL sip:b@example.com SIP/2.0");
  proxy.on_message(inner, answer_to(invite, "487 Request Terminated"));
  EXPECT_EQ(start_line(inner->take()).substr(0, 4), "ACK ");
  EXPECT_EQ(start_line(phone->take()), "SIP/2.0 180 Ringing");
  EXPECT_EQ(start_line(phone->take()), "SIP/2.0 487 Request Terminated");
}

TEST_F(EdgeRouterTest, RetransmittedInviteIsAnsweredFromTheTransaction) {
  proxy.on_message(phone, invite_request());
  proxy.on_message(phone, invite_request());
  EXPECT_EQ(start_line(phone->take()), "SIP/2.0 100 Trying");
  proxy.on_message(phone, invite_request());
  EXPECT_EQ(start_line(phone->take()), "SIP/2.0 100 Trying") << "its repetition";
  EXPECT_EQ(inner->sent.size(), 1u);
}

TEST_F(EdgeRouterTest, SameBranchOfTwoClientsNeverMeets) {
  const auto other = std::make_shared<MemoryHop>(12, Side::client, Transport::tls, "198.51.100.8", 40113);
  router.add_client(other);
  proxy.on_message(phone, invite_request());
  proxy.on_message(other, invite_request());
  EXPECT_EQ(inner->sent.size(), 2u);
}

TEST_F(EdgeRouterTest, SecondSuccessOfAForkPassesToo) {
  proxy.on_message(phone, invite_request());
  const std::string invite = inner->take();
  phone->sent.clear();
  proxy.on_message(inner, answer_to(invite, "200 OK"));
  std::string second = answer_to(invite, "200 OK");
  second.replace(second.find(";tag=t1"), 7, ";tag=t2");
  proxy.on_message(inner, second);
  EXPECT_EQ(phone->sent.size(), 2u) << "RFC 6026: every 2xx goes upstream";
}

TEST_F(EdgeRouterTest, AckOfASuccessTravelsWithoutTransaction) {
  proxy.on_message(phone, "ACK sip:b@10.20.0.30 SIP/2.0\r\nVia: SIP/2.0/TLS 10.0.0.5:5061;branch=z9hG4bKack\r\nMax-Forwards: 70\r\n"
                          "Route: <sip:edge.example.com:5061;transport=tls;lr>, <sip:edge.example.com:7001;transport=tls;lr>, <sip:tok@c1.inside.example.com:7001;transport=tls;lr>\r\n"
                          "From: <sip:a@example.com>;tag=f1\r\nTo: <sip:b@example.com>;tag=t1\r\nCall-ID: call1\r\nCSeq: 1 ACK\r\nContent-Length: 0\r\n\r\n");
  const std::string sent = inner->take();
  EXPECT_EQ(start_line(sent), "ACK sip:b@10.20.0.30 SIP/2.0");
  EXPECT_EQ(header_of(sent, "Route"), "<sip:tok@c1.inside.example.com:7001;transport=tls;lr>");
  EXPECT_EQ(proxy.transactions(), 0u);
}

TEST_F(EdgeRouterTest, RouteThatDoesNotBeginWithUsIsRefused) {
  proxy.on_message(phone, invite_request("Route: <sip:10.20.0.99;lr>\r\n"));
  EXPECT_EQ(start_line(phone->take()).substr(0, 11), "SIP/2.0 403");
  EXPECT_TRUE(inner->sent.empty());
}

TEST_F(EdgeRouterTest, HopsRunOutAndLoopsAreSeen) {
  std::string last = invite_request();
  last.replace(last.find("Max-Forwards: 70"), 16, "Max-Forwards: 0");
  proxy.on_message(phone, last);
  EXPECT_EQ(start_line(phone->take()).substr(0, 11), "SIP/2.0 483");
  proxy.on_message(phone, invite_request("", "z9hG4bKi2"));
  std::string looped = inner->take();
  // The same request comes back with our Via in it, as a misconfigured next hop would send it.
  sip::Message message;
  ASSERT_TRUE(sip::parse(looped, message).ok());
  sip::Edit edit(message);
  edit.remove_all(sip::HeaderId::record_route);
  edit.push_front(sip::HeaderId::via, "SIP/2.0/TLS x.example.com;branch=z9hG4bKother");
  phone->sent.clear();
  proxy.on_message(phone, edit.serialise());
  EXPECT_EQ(start_line(phone->take()).substr(0, 11), "SIP/2.0 482");
}

TEST_F(EdgeRouterTest, ZoneDownIsSaidWithRetryAfter) {
  router.remove_peer(inner->id);
  proxy.on_message(phone, register_request());
  const std::string answered = phone->take();
  EXPECT_EQ(start_line(answered).substr(0, 11), "SIP/2.0 503");
  EXPECT_EQ(header_of(answered, "Retry-After"), "10");
}

TEST_F(EdgeRouterTest, AnotherClientCannotAnswerForTheCallee) {
  const std::string path = flow_path();
  const auto other = std::make_shared<MemoryHop>(12, Side::client, Transport::tls, "198.51.100.8", 40113);
  proxy.on_message(inner, "MESSAGE sip:a@10.0.0.5 SIP/2.0\r\nVia: SIP/2.0/TLS c1.inside.example.com;branch=z9hG4bKm\r\nMax-Forwards: 60\r\n"
                          "Route: " + path + "\r\nFrom: <sip:b@example.com>;tag=g\r\nTo: <sip:a@example.com>\r\nCall-ID: c5\r\nCSeq: 1 MESSAGE\r\nContent-Length: 0\r\n\r\n");
  const std::string asked = phone->take();
  proxy.on_message(other, answer_to(asked, "200 OK"));
  EXPECT_TRUE(inner->sent.empty());
  EXPECT_EQ(proxy.counters().forged_responses, 1u);
  proxy.on_message(phone, answer_to(asked, "200 OK"));
  EXPECT_EQ(start_line(inner->take()), "SIP/2.0 200 OK");
}

TEST_F(EdgeRouterTest, LostZoneFailsWhatWaitsForIt) {
  proxy.on_message(phone, invite_request());
  phone->sent.clear();
  inner->open = false;
  router.remove_peer(inner->id);
  proxy.on_hop_lost(*inner);
  EXPECT_EQ(start_line(phone->take()).substr(0, 11), "SIP/2.0 503");
  EXPECT_EQ(anchor.failed_with, 503);
}

TEST_F(EdgeRouterTest, UnsupportedProxyRequireIsNamed) {
  proxy.on_message(phone, invite_request("Proxy-Require: sec-agree\r\n"));
  const std::string answered = phone->take();
  EXPECT_EQ(start_line(answered).substr(0, 11), "SIP/2.0 420");
  EXPECT_EQ(header_of(answered, "Unsupported"), "sec-agree");
}

}  // namespace
}  // namespace sallyport::proxy
