// SPDX-License-Identifier: Apache-2.0
#pragma once
// FakeNode: a NodeView with fixed answers, and RunningApi: an ApiServer on a socket of its own with a thread that runs it.

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <thread>

#include "controlplane/api/api_server.h"
#include "controlplane/certificates/certificate_part.h"

namespace sallyport::api {

class FakeNode final : public NodeView {
 public:
  bool hangs = false;  // answers status never
  int captures = 0;    // that run

  Awaitable<StatusView> status() override {
    if (hangs) {
      boost::asio::steady_timer never(co_await boost::asio::this_coro::executor, boost::asio::steady_timer::time_point::max());
      co_await never.async_wait(boost::asio::use_awaitable);
    }
    StatusView view;
    view.node = "e1";
    view.role = "E";
    view.state = "ready";
    view.calls = 1;
    view.dataplane = {.running = true, .state = "running", .profile = "packet", .workers = 1, .flows = 8, .flow_capacity = 16384};
    view.alarms.push_back({"port_range_exhausted", "2026-01-01T00:00:00Z", "no relay port is free"});
    co_return view;
  }
  Awaitable<std::vector<ZoneView>> zones() override {
    ZoneView zone{.name = "Traversal zone", .type = "uc_traversal", .role = "server", .port = 7001};
    zone.peers.push_back({.name = "c1.example.com", .state = "failed", .reason = "certificate of \"c1\x1b[31m\" lacks SAN c.example.com"});
    co_return std::vector<ZoneView>{zone};
  }
  Awaitable<std::vector<RegistrationView>> registrations(std::size_t limit) override {
    std::vector<RegistrationView> all(3);
    for (std::size_t i = 0; i < all.size(); ++i) all[i].aor = "sip:user" + std::to_string(i) + "@example.com";
    all.resize(std::min(limit, all.size()));
    co_return all;
  }
  Awaitable<std::vector<CallView>> calls(CallQuery query) override {
    std::vector<CallView> list{the_call()};
    if (!query.with_quality) list[0].worst_leg.clear();
    if (query.with_ended) list.push_back({.id = "6", .state = "ended", .end_reason = "486 Busy Here"});
    co_return list;
  }
  Awaitable<Outcome<ServedView>> explain_sni(std::string sni, std::uint16_t port) override {
    if (port != 0 && port != 5061) co_return Fault{FaultCode::missing, "port", "no TLS listener of this node has it", "those are: 5061"};
    ServedView view{.sni = sni, .listener = "SIP over TLS, clients", .match = "platform", .served = {"server (rsa)"}, .text = "server (rsa) is served"};
    co_return view;
  }
  Awaitable<std::vector<XmppStreamView>> xmpp_streams(std::size_t limit) override {
    std::vector<XmppStreamView> list{{"0a1b2c3d4e5f", "example.com", "inside", "203.0.113.9:40312", "example.com", "TLSv1.3", "established", "2026-11-28T13:00:00Z", 12, 3400, 5600}};
    list.resize(std::min(limit, list.size()));
    co_return list;
  }
  Awaitable<std::vector<PresenceView>> presence() override {
    std::vector<PresenceView> list{{"imp1", "imp1.example.com", "starttls", 5222, 10, {"example.com"}, "failing", "TCP connection to 192.0.2.1:5222 was refused", 0, 3, 1}};
    co_return list;
  }
  Awaitable<std::vector<RefusedNameView>> refused_names() override {
    std::vector<RefusedNameView> list{{"mra.example.org", 3, 2, 48, "the peer refused our certificate: unknown CA (alert 48)", "203.0.113.9:40312", "2026-11-28T13:00:00Z"}};
    list.push_back({.times = 1, .sources = 1, .alert = 42, .text = "bad certificate", .source = "203.0.113.9:40313", .at = "2026-11-28T13:00:01Z"});
    co_return list;
  }
  Awaitable<std::vector<NeededNameView>> needed_names(std::string slot) override {
    std::vector<NeededNameView> names{{slot == "server" ? "DNS:c1.example.com" : "DNS:" + slot.substr(slot.find('/') + 1), "this node"}};
    co_return names;
  }
  Awaitable<std::vector<TrustFileView>> trust_files() override {
    std::vector<TrustFileView> files{{"traversal", "/etc/ca.pem", "CN=File CA", "01", "2030-01-01T00:00:00Z", "aabbccdd"}};
    co_return files;
  }
  Awaitable<std::vector<AcmeView>> acme() override {
    std::vector<AcmeView> views{{"domain/example.org", "failed", "failed: 429; next attempt soon", "le", "", "", 2}};
    co_return views;
  }
  Awaitable<Outcome<>> renew_by_acme(std::string slot) override {
    if (slot != "domain/example.org") co_return Fault{FaultCode::missing, slot, "is not kept by ACME", "switch it on first"};
    co_return Done{};
  }
  Awaitable<std::vector<RevocationView>> revocation() override {
    RevocationView view{.slot = "server", .serial = revocation_serial, .state = "revoked", .source = "ocsp", .url = "http://ocsp.example/", .text = "revoked on 2026-11-28 08:00:00 UTC, keyCompromise", .reason = "keyCompromise"};
    std::vector<RevocationView> views{view};
    co_return views;
  }
  Awaitable<Outcome<>> check_revocation(std::string slot) override {
    if (slot != "server") co_return Fault{FaultCode::missing, slot, "has no certificate that names who tells whether it was revoked", "see sallyport cert list"};
    co_return Done{};
  }
  std::string revocation_serial;
  Awaitable<Outcome<std::string>> backup(std::string passphrase) override {
    if (passphrase.size() < 12) co_return Fault{FaultCode::invalid, "backup: passphrase", "has fewer than 12 characters", "take a longer one"};
    co_return std::string("sallyport backup 1\n\0sealed", 26);
  }
  Awaitable<Outcome<>> change_acme_key(std::string authority) override {
    if (authority != "le") co_return Fault{FaultCode::missing, "ACME account at " + authority, "there is no authority of that name", "see sallyport acme status"};
    co_return Done{};
  }
  Awaitable<Outcome<std::vector<DiscoveryView>>> test_discovery(std::string domain) override {
    if (domain == "nobody.example") co_return Fault{FaultCode::missing, "discovery test", "this node serves no domain by name", "give one"};
    DiscoveryView view{domain.empty() ? "example.com" : domain, false, {}};
    view.steps.push_back({"edge.example.com", "sni", "failed", "mra.example.com: no certificate here has that name", 40});
    std::vector<DiscoveryView> views{view};
    co_return views;
  }
  Awaitable<Outcome<ProbedView>> probe_certificate(std::string host, std::uint16_t port, std::string) override {
    if (port == 9) co_return Fault{FaultCode::unreachable, host, "TCP connection was refused", "check the port"};
    ProbedView view{"192.0.2.50:" + std::to_string(port), "TLSv1.3", "TLS_AES_256_GCM_SHA384", false, {}, {}};
    view.chain.push_back({"CN=cm1", "CN=cm1", std::to_string(port), "f" + std::to_string(port), "2030-01-01T00:00:00Z", "none", "PEM", true});
    view.findings.push_back("not trusted: self-signed");
    co_return view;
  }
  Awaitable<PairView> pair() override {
    PairView view{"E", "CN=Sallyport pair", "aabb", "2036-01-01T00:00:00Z", {}, {}, {}};
    view.nodes.push_back({"c1.inside.example.com", "Traversal zone", "01", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z", "2026-01-08T00:00:00Z"});
    co_return view;
  }
  Awaitable<Outcome<JoinTokenView>> make_join_token(std::string zone, std::int64_t seconds, std::string, std::string) override {
    if (!zone.empty() && zone != "Traversal zone") co_return Fault{FaultCode::missing, "zone \"" + zone + "\"", "does not exist on this node", "see sallyport zones"};
    co_return JoinTokenView{"sp1-token", "0011223344556677", "Traversal zone", "in " + std::to_string(seconds) + " s", "e1.example.com", 2222};
  }
  Awaitable<Outcome<JoinedView>> join_pair(std::string token, std::string) override {
    if (token != "sp1-token") co_return Fault{FaultCode::invalid, "join token", "is damaged: its check does not fit", "copy the whole line"};
    JoinedView view{"e1.example.com", "0A", "2026-01-08T00:00:00Z", "Traversal zone", "exampleauth", 7001, {}};
    view.sip_domains.push_back("example.com");
    co_return view;
  }
  Awaitable<Outcome<OnboardingView>> onboarding(std::size_t) override {
    OnboardingView view{"C", true, "", "", 0, {}, {}, {}};
    view.authorities.push_back({"", "c1.inside.example.com", "CN=Sallyport onboarding", "4A01", "ccdd", "2036-01-01T00:00:00Z", "-----BEGIN CERTIFICATE-----\n"});
    view.codes.push_back({"SEP001122334455", "2026-09-26T10:00:00Z", "2026-10-03T10:00:00Z", 2});
    view.devices.push_back({"SEP001122334466", "4B02", "2026-09-01T10:00:00Z", "2026-09-26T10:00:00Z", "2027-09-26T10:00:00Z", "valid"});
    co_return view;
  }
  Awaitable<Outcome<ActivationCodeView>> make_activation_code(std::string device, std::int64_t, std::string) override {
    if (device == "no phone") co_return Fault{FaultCode::invalid, "phone \"no phone\"", "holds a character that is no letter, digit, '-', '_' or '.'", "name it as call control does, such as SEP001122334455"};
    co_return ActivationCodeView{device, "0123-4567-8901-2345", "2026-10-03T10:00:00Z"};
  }
  Awaitable<Outcome<>> withdraw_device(std::string device, std::string) override {
    if (device != "SEP001122334466") co_return Fault{FaultCode::missing, "phone " + device, "has neither an activation code nor a certificate", "see sallyport onboarding"};
    co_return Done{};
  }
  Awaitable<Outcome<>> renew_pair(std::string peer) override {
    if (peer != "e1.example.com") co_return Fault{FaultCode::missing, "pair with " + peer, "does not exist on this node", "see sallyport pair list"};
    co_return Done{};
  }
  Awaitable<Outcome<>> remove_pair(std::string node, std::string) override {
    if (node != "c1.inside.example.com") co_return Fault{FaultCode::missing, "node " + node, "is not paired with this node", "see sallyport pair list"};
    co_return Done{};
  }
  Awaitable<Outcome<>> withdraw_join_token(std::string id, std::string) override {
    if (id != "0011223344556677") co_return Fault{FaultCode::missing, "join token " + id, "is not known", "see sallyport pair list"};
    co_return Done{};
  }
  Awaitable<std::vector<std::string>> depends_on_authority(std::string purpose, std::string) override {
    std::vector<std::string> dependants;
    if (purpose == "traversal") dependants.push_back("zone Traversal zone, peer e1.example.com");
    co_return dependants;
  }
  Awaitable<std::optional<CallView>> call(std::string id) override {
    if (id != "7") co_return std::nullopt;
    co_return the_call();
  }
  Awaitable<std::vector<FlowView>> flows(std::size_t) override {
    co_return std::vector<FlowView>{{.index = 3, .verbs = "relay", .stream = the_call().legs[0].streams[0]}};
  }
  Awaitable<std::vector<CounterView>> counters() override {
    // Grows with each look, so that there are rates to show.
    looks_ += 1000;
    const std::pair<std::string, std::string> worker{"worker", "0"};
    std::vector<CounterView> all;
    all.push_back({.name = "dataplane_drops_total", .labels = {worker, {"stage", "open"}, {"reason", "replay"}}, .value = 5, .help = "Packets dropped."});
    all.push_back({.name = "dataplane_stage_packets_total", .labels = {worker, {"stage", "open"}}, .value = 1000});
    all.push_back({.name = "dataplane_stage_cycles_total", .labels = {worker, {"stage", "open"}}, .value = 250000});
    all.push_back({.name = "dataplane_packets_in_total", .labels = {worker}, .value = looks_});
    all.push_back({.name = "dataplane_handed_over_total", .labels = {worker}, .value = 17});
    all.push_back({.name = "dataplane_steering", .labels = {{"steering", "hand-over"}}, .value = 1});
    all.push_back({.name = "sip_loops_total", .value = 3});
    co_return all;
  }
  Awaitable<Outcome<std::vector<TraversalTestView>>> test_traversal(std::string zone) override {
    if (zone == "nowhere") co_return Fault{FaultCode::missing, "zone nowhere", "does not exist", "list them with `sallyport zones`"};
    TraversalTestView test{.zone = "Traversal zone", .passed = zone != "broken", .summary = zone == "broken" ? "edge.example.com cannot be reached" : ""};
    test.steps.push_back({"edge.example.com", "dns", "passed", "192.0.2.10", 900});
    co_return std::vector<TraversalTestView>{test};
  }

  Awaitable<Outcome<UpgradeView>> upgrade(std::string binary) override {
    if (binary == "/broken") co_return Fault{FaultCode::refused, "program /broken", "does not take over: no such library", "install a complete build"};
    co_return UpgradeView{"1.0", "1.1", binary};
  }

  Awaitable<Outcome<std::unique_ptr<CaptureFeed>>> capture(CaptureQuery query) override {
    if (query.call != "7") co_return Fault{FaultCode::missing, "call " + query.call, "is not known", "list the calls with `sallyport calls`"};
    if (query.decrypted) co_return Fault{FaultCode::refused, "capture of call 7", "E holds no media keys", "capture on C"};
    std::unique_ptr<CaptureFeed> feed = std::make_unique<FakeFeed>(co_await boost::asio::this_coro::executor, query, captures);
    co_return feed;
  }

 private:
  // A section, one packet a call of the timer, and at the end statistics.
  class FakeFeed final : public CaptureFeed {
   public:
    FakeFeed(boost::asio::any_io_executor executor, CaptureQuery query, int& running) : timer_(executor), query_(query), running_(running) {
      ++running_;
      waiting_ = block(0x0a0d0d0a, std::string(16, '\0'));
      tick();
    }
    ~FakeFeed() override { --running_; }
    std::string take() override { return std::exchange(waiting_, {}); }
    bool has_waiting() const override { return !waiting_.empty(); }
    bool has_ended() const override { return packets_ >= query_.packets; }
    std::string outcome() const override { return std::to_string(packets_) + " packets"; }
    void on_ready(std::function<void()> ready) override { ready_ = std::move(ready); }

   private:
    static std::string block(std::uint32_t type, const std::string& body) {
      std::uint32_t words[2] = {type, static_cast<std::uint32_t>(body.size() + 12)};
      return std::string(reinterpret_cast<char*>(words), 8) + body + std::string(reinterpret_cast<char*>(words + 1), 4);
    }
    void tick() {
      timer_.expires_after(std::chrono::milliseconds(1));
      // A wait that is over may be told after the feed has gone, without an error.
      timer_.async_wait([this, alive = std::weak_ptr<int>(alive_)](const boost::system::error_code& error) {
        if (error || alive.expired() || has_ended()) return;
        waiting_ += block(6, std::string(20, 'p'));
        ++packets_;
        // Comment "done", and 3 lost.
        if (has_ended()) waiting_ += block(5, std::string(12, '\0') + std::string("\1\0\4\0done\5\0\10\0\3\0\0\0\0\0\0\0\0\0\0\0", 24));
        if (ready_) ready_();
        tick();
      });
    }
    boost::asio::steady_timer timer_;
    std::shared_ptr<int> alive_ = std::make_shared<int>(0);
    CaptureQuery query_;
    int& running_;
    std::uint64_t packets_ = 0;
    std::string waiting_;
    std::function<void()> ready_;
  };
  double looks_ = 0;

  static CallView the_call() {
    StreamView stream{.kind = "audio", .direction = "from_client", .component = "rtp", .suite = "opaque", .local = "198.51.100.10:36002", .remote = "203.0.113.7:4000", .packets = 1500, .told_by = "measured", .lost = 62, .loss_percent = 4.0, .jitter_ms = 0.25, .round_trip_ms = 23.5, .mos = 3.98};
    CallView call{.id = "7", .call_id = "abc@phone", .from = "sip:a@example.com", .to = "sip:b@example.com", .state = "established", .duration_s = 30, .mos = 3.98, .worst_leg = "outside leg, from the phone: 4.0 % lost"};
    call.legs.push_back({.side = "client", .codec = "opus/48000/2", .rtcp = "sealed, not seen here", .mos_basis = "assumed: as said", .streams = {stream}});
    return call;
  }
};

class RunningApi {
 public:
  explicit RunningApi(ApiServerOptions options = {}, accounts::DoorkeeperOptions door_options = cheap_door()) {
    char pattern[] = "/tmp/sallyport-api-XXXXXX";
    folder_ = ::mkdtemp(pattern);
    auto opened = store::SiteStore::open({.state_dir = folder_ + "/state", .role = config::Role::core, .node_name = "c1"});
    EXPECT_TRUE(opened) << opened.fault().text();
    site = std::move(*opened);
    certificates::VaultOptions vault_options{.state_dir = folder_ + "/state", .role = config::Role::core, .node_name = "c1", .node_fqdn = "c1.example.com"};
    auto vault_opened = certificates::CertificateVault::open(std::move(vault_options));
    EXPECT_TRUE(vault_opened) << vault_opened.fault().text();
    vault = std::move(*vault_opened);
    auto acme_opened = certificates::AcmeStore::open(folder_ + "/state", config::Role::core);
    EXPECT_TRUE(acme_opened) << acme_opened.fault().text();
    acme = std::move(*acme_opened);
    site->set_part(certificates::make_certificate_part(*vault, *acme, [](certificates::TrustPurpose, const std::string&) { return std::vector<std::string>{"zone Traversal zone, peer e1.example.com"}; }));
    auto accounts_opened = accounts::AccountStore::open(folder_ + "/state");
    EXPECT_TRUE(accounts_opened) << accounts_opened.fault().text();
    accounts = std::move(*accounts_opened);
    auto audit_opened = accounts::AuditLog::open(folder_ + "/state", 1000);
    EXPECT_TRUE(audit_opened) << audit_opened.fault().text();
    audit_log = std::move(*audit_opened);
    door = std::make_unique<accounts::Doorkeeper>(*accounts, door_options);
    auto events = EventLog::open({.file = folder_ + "/events.log", .level = LogLevel::debug});
    EXPECT_TRUE(events) << events.fault().text();
    log = std::move(*events);
    audit = std::make_unique<AuditTrail>(*audit_log, *log, metrics);
    options_ = options;
    options_.socket_path = socket();
    auto started = ApiServer::start(io_.get_executor(), options_, parts());
    EXPECT_TRUE(started) << started.fault().text();
    server_ = std::move(*started);
    metrics_port = server_->metrics_port();
    thread_ = std::thread([this] { io_.run(); });
  }
  ~RunningApi() {
    stop();
    std::filesystem::remove_all(folder_);
  }
  RunningApi(const RunningApi&) = delete;
  RunningApi& operator=(const RunningApi&) = delete;

  // Stops as a control plane would, and lets every coroutine end.
  void stop() {
    if (!thread_.joinable()) return;
    boost::asio::post(io_, [this] { server_->stop(); });
    work_.reset();
    thread_.join();
  }
  ApiParts parts() { return {node, *site, *vault, *acme, metrics, *log, *door, *audit}; }
  // With the metrics of another server.
  ApiParts parts(MetricRegistry& other) { return {node, *site, *vault, *acme, other, *log, *door, *audit}; }
  // Runs it on the thread of the API, and waits for it.
  template <class Work>
  void on_thread(Work work) {
    std::promise<void> done;
    boost::asio::post(io_, [&] {
      work();
      done.set_value();
    });
    done.get_future().wait();
  }
  boost::asio::io_context& io() { return io_; }
  // Passwords that cost little, and sessions that may ask as often as they like, so that a test may do both.
  static accounts::DoorkeeperOptions cheap_door() {
    accounts::DoorkeeperOptions options;
    options.passwords.cost = {16, 8, 1};
    options.sessions.requests_per_s = options.sessions.burst = 1e6;
    return options;
  }
  std::string socket() const { return folder_ + "/api.sock"; }
  std::string folder() const { return folder_; }

  FakeNode node;
  MetricRegistry metrics;
  std::unique_ptr<store::SiteStore> site;
  std::unique_ptr<certificates::CertificateVault> vault;
  std::unique_ptr<certificates::AcmeStore> acme;
  std::unique_ptr<EventLog> log;
  std::unique_ptr<accounts::AccountStore> accounts;
  std::unique_ptr<accounts::AuditLog> audit_log;
  std::unique_ptr<accounts::Doorkeeper> door;
  std::unique_ptr<AuditTrail> audit;
  std::uint16_t metrics_port = 0;

 private:
  std::string folder_;
  ApiServerOptions options_;
  boost::asio::io_context io_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_ = boost::asio::make_work_guard(io_);
  std::unique_ptr<ApiServer> server_;
  std::thread thread_;
};

}  // namespace sallyport::api
