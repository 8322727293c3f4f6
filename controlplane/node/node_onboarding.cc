// SPDX-License-Identifier: Apache-2.0
// Activation-code onboarding of a node (B37): on E a listener for phones, open while a C behind it has switched onboarding on; on C the desk that
// knows codes and issues. What E learns of a C stands until that C says otherwise: while it is away phones are told so.
#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <ctime>

#include "controlplane/config/fqdn.h"
#include "controlplane/config/utc.h"
#include "controlplane/node/node.h"
#include "controlplane/node/node_facts.h"

namespace sallyport::node {

using config::utc;

namespace {

constexpr std::ptrdiff_t most_told_authorities = 16;  // of a zone: what a C tells in ever new names must not crowd out another tenant's
constexpr std::chrono::milliseconds facts_pause{200};  // a C that tells its facts without a pause must not keep E at work
constexpr const char* request_remedy = "send a PKCS#10 request with an RSA key of 2048 bits or more, or an ECDSA key of P-256 or P-384";

bool is_issued_by(const std::string& pem, X509* authority) {
  const auto shown = certificates::read_certificates(pem, "the phone's certificate", 1);
  const bool is_issued = shown && !shown->empty() && X509_check_issued(authority, shown->front().get()) == X509_V_OK;
  ERR_clear_error();
  return is_issued;
}

// Whether the name a phone asked for lies in one of these domains.
bool covers(const std::vector<std::string>& domains, const std::string& name) {
  return std::any_of(domains.begin(), domains.end(), [&](const std::string& domain) { return name == domain || (name.size() > domain.size() && name.ends_with(domain) && name[name.size() - domain.size() - 1] == '.'); });
}

}  // namespace

Outcome<> Node::start_onboarding() {
  if (config_.is_e()) {
    auto policy = tls::TlsPolicy::create(tls_options(tls::TlsRole::server_verifies_client), credentials_.onboarding());
    if (!policy) return policy.fault();
    onboarding_policy_ = std::move(*policy);
    onboarding_server_ = std::make_unique<onboarding::OnboardingServer>(
        io_, [this](onboarding::OnboardingRequest request, std::string sni) { return ask_for_phone(std::move(request), std::move(sni)); },
        [this] {
          std::vector<certificates::CertificatePtr> list;
          for (const ToldAuthority& told : told_authorities_) list.push_back(told.certificate);
          return list;
        },
        log_);
    return Done{};
  }
  onboarding_store_->set_listener([this] { tell_facts(); });
  return apply_onboarding();
}

Outcome<> Node::apply_onboarding() {
  if (config_.is_e() || !store_->snapshot()->unified.activation_code_onboarding) return Done{};
  return onboarding_store_->ensure_authority(std::time(nullptr), "onboarding is switched on");
}

// E: soon after a C told something, and not once for every line.
void Node::on_peer_facts() {
  if (std::exchange(has_new_facts_, true)) return;
  const auto now = std::chrono::steady_clock::now();
  facts_timer_.expires_at(std::max(now, followed_facts_ + facts_pause));
  facts_timer_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    has_new_facts_ = false;
    followed_facts_ = std::chrono::steady_clock::now();
    follow_onboarding();
  });
}

// What the C nodes say has changed, or a zone is gone.
void Node::follow_onboarding() {
  if (onboarding_server_ == nullptr) return;
  const auto site = store_->snapshot();
  std::vector<ToldAuthority> told = told_authorities_;
  std::erase_if(told, [&](const ToldAuthority& each) { return site->find_zone(each.zone) == nullptr; });
  for (const auto& [zone, facts] : multiplex_server_->facts()) {
    if (facts.fqdn.empty()) continue;
    std::erase_if(told, [&](const ToldAuthority& each) { return each.zone == zone && each.peer == facts.fqdn; });
    const auto of_zone = std::count_if(told.begin(), told.end(), [&](const ToldAuthority& each) { return each.zone == zone; });
    if (facts.onboarding_authority.empty() || of_zone >= most_told_authorities) continue;
    auto read = certificates::read_certificates(facts.onboarding_authority, "onboarding authority of " + facts.fqdn, 1);
    if (!read || read->empty()) {
      log_("onboarding: " + (read ? "the authority of " + facts.fqdn + " is empty" : read.fault().text()));
      continue;
    }
    told.push_back({zone, facts.fqdn, read->front()});
  }
  std::sort(told.begin(), told.end(), [](const ToldAuthority& a, const ToldAuthority& b) { return std::tie(a.zone, a.peer) < std::tie(b.zone, b.peer); });
  const bool is_same = std::equal(told.begin(), told.end(), told_authorities_.begin(), told_authorities_.end(),
                                  [](const ToldAuthority& a, const ToldAuthority& b) { return a.zone == b.zone && a.peer == b.peer && X509_cmp(a.certificate.get(), b.certificate.get()) == 0; });
  if (is_same && (onboarding_listener_ != nullptr) == !told.empty()) return;
  told_authorities_ = std::move(told);
  std::vector<certificates::CertificatePtr> trusted;
  for (const ToldAuthority& each : told_authorities_) trusted.push_back(each.certificate);
  if (const Outcome<> loaded = credentials_.trust_phones_of(std::move(trusted), config_.tls, *vault_->snapshot()); !loaded) log_("onboarding: " + loaded.fault().text());
  if (told_authorities_.empty()) {
    if (onboarding_listener_ != nullptr) log_("onboarding: no C onboards phones any more; its port is closed");
    onboarding_listener_.reset();
    onboarding_fault_.clear();
    return;
  }
  if (onboarding_listener_ != nullptr) return;
  const Outcome<> opened = open_onboarding();
  const std::string fault = opened ? std::string() : opened.fault().text();
  if (opened) log_("onboarding: phones are onboarded at " + onboarding_listener_->address().text());
  else if (fault != onboarding_fault_) log_("onboarding: " + fault);
  onboarding_fault_ = fault;
}

Outcome<> Node::open_onboarding() {
  tls::ListenerOptions options;
  options.name = "onboarding";
  const auto address = slot_address(config_.sip.client_address, static_cast<uint16_t>(config_.onboarding.port));
  if (!address) return address.fault();
  options.address = *address;
  options.freebind = true;
  options.tls = onboarding_policy_;
  options.handshakes_at_once = 256;
  options.limits = std::make_shared<tls::SourceLimits>(tls::SourceLimitOptions{.connections_per_source = config_.onboarding.connections_per_source, .handshakes_per_source_per_s = 10, .handshake_burst = 50, .connections_total = config_.onboarding.connections});
  auto listener = tls::Listener::open(
      *engine_, std::move(options), [this](tls::StreamPtr stream) { onboarding_server_->on_stream(std::move(stream)); },
      [this](const tls::SocketAddress& source, const tls::HandshakeFailure& failure) {
        // Whoever connects to a port of the public network by chance has no certificate; that is counted only.
        if (failure.certificate) log_(fmt::format("onboarding: {} was refused: {}; {}", source.text(), failure.text, failure.remedy));
      });
  if (!listener) return listener.fault();
  onboarding_listener_ = std::move(*listener);
  return Done{};
}

// The C nodes that may have the phone: a cluster's nodes each have codes of their own. With several tenants only those of the one whose domain the
// phone named, as the operator of E gave it: a code must not come to another's C, whatever that says it serves.
std::vector<multiplex::SessionPtr> Node::desks_for(const onboarding::OnboardingRequest& request, const std::string& sni) const {
  const auto site = store_->snapshot();
  std::vector<multiplex::SessionPtr> desks;
  std::vector<std::string> seen;
  for (const zones::MultiplexPeer& peer : multiplex_server_->peers()) {
    if (peer.session == nullptr || !peer.session->takes_channels()) continue;
    const store::Zone* zone = site->find_zone(peer.zone);
    if (zone == nullptr || (site->zones.size() > 1 && !covers(zone->sip_domains, sni))) continue;
    const std::string who = peer.zone + "\n" + peer.facts.fqdn;
    if (std::find(seen.begin(), seen.end(), who) != seen.end()) continue;
    seen.push_back(who);
    const auto told = std::find_if(told_authorities_.begin(), told_authorities_.end(), [&](const ToldAuthority& each) { return each.zone == peer.zone && each.peer == peer.facts.fqdn; });
    if (told == told_authorities_.end() || (request.device.empty() && !is_issued_by(request.shown_pem, told->certificate.get()))) continue;
    desks.push_back(peer.session);
  }
  return desks;
}

boost::asio::awaitable<Outcome<std::string>> Node::ask_for_phone(onboarding::OnboardingRequest request, std::string sni) {
  const std::vector<multiplex::SessionPtr> desks = desks_for(request, sni);
  const bool is_renewal = request.device.empty();
  const std::string whose = store_->snapshot()->zones.size() > 1 ? " for the name that the phone asked for (" + (sni.empty() ? std::string("none") : sni) + ")" : "";
  Fault fault = is_renewal ? Fault{FaultCode::refused, "certificate of the phone", "was not given by a C that is connected now" + whose, "onboard the phone by a code first, then renew with the certificate it was given"}
                           : Fault{FaultCode::unreachable, "onboarding", "no C that onboards phones is connected" + whose, "try again in a while; operators: sallyport zones on both nodes"};
  for (const multiplex::SessionPtr& desk : desks) {
    std::string purpose(onboarding::onboarding_purpose), name = is_renewal ? "renewal" : request.device;
    multiplex::Fields fields;
    auto channel = co_await desk->open(std::move(purpose), std::move(name), std::move(fields), multiplex::Weight::interactive);
    if (!channel) {
      fault = channel.fault();
      continue;
    }
    multiplex::ChannelPtr open = *channel;
    onboarding::OnboardingRequest question = request;
    Outcome<std::string> said = co_await onboarding::ask_over(std::move(open), std::move(question));
    if (said || said.fault().code != FaultCode::refused) co_return said;
    fault = said.fault();
  }
  co_return fault;
}

void Node::take_onboarding_channel(const multiplex::ChannelPtr& channel) {
  if (!store_->snapshot()->unified.activation_code_onboarding) return channel->refuse(403, "onboarding is switched off on this C");
  channel->accept();
  boost::asio::co_spawn(io_, onboarding::answer_over(channel, [this](const onboarding::OnboardingRequest& request) { return onboard(request); }), boost::asio::detached);
}

// C.
Outcome<std::string> Node::onboard(const onboarding::OnboardingRequest& request) {
  const bool is_renewal = request.device.empty();
  const std::string who = is_renewal ? "a phone that renews" : "phone " + request.device;
  const auto issued = [&]() -> Outcome<certificates::CertificatePtr> {
    auto key = certificates::requested_key(request.request_pem, who, request_remedy);
    if (!key) return key.fault();
    const certificates::DeviceEnrolment wish{request.device, std::move(*key), static_cast<std::int64_t>(std::time(nullptr)), config_.onboarding.certificate_s, request.source};
    if (!is_renewal) return onboarding_store_->enrol(wish, request.code);
    const auto shown = certificates::read_certificates(request.shown_pem, "the phone's certificate", 1);
    if (!shown) return shown.fault();
    if (shown->empty()) return Fault{FaultCode::invalid, who, "showed no certificate", "run the same version of Sallyport on both nodes"};
    return onboarding_store_->renew(wish, shown->front().get());
  }();
  if (!issued) {
    ++(issued.fault().code == FaultCode::internal ? onboarding_counts_.failed : onboarding_counts_.refused);
    log_(fmt::format("onboarding: {} at {}: {}", who, request.source, issued.fault().text()));
    return issued.fault();
  }
  ++(is_renewal ? onboarding_counts_.renewed : onboarding_counts_.enrolled);
  log_(fmt::format("onboarding: {} at {} was given certificate {}", who, request.source, tls::describe_certificate(issued->get()).serial));
  return certificates::pem_of(issued->get()) + certificates::pem_of(onboarding_store_->snapshot()->authority.get());
}

const onboarding::OnboardingCounters& Node::onboarding_counters() const { return onboarding_server_ != nullptr ? onboarding_server_->counters() : onboarding_counts_; }

NodeFacts::Awaitable<Outcome<api::OnboardingView>> NodeFacts::onboarding(std::size_t limit) {
  api::OnboardingView view;
  const bool is_e = node_.config().is_e();
  view.role = is_e ? "E" : "C";
  const auto add = [&](const std::string& zone, const std::string& peer, X509* certificate) {
    const tls::PeerCertificate said = tls::describe_certificate(certificate);
    view.authorities.push_back({zone, peer, said.subject, said.serial, said.fingerprint_sha256, utc(said.not_after_s), certificates::pem_of(certificate)});
  };
  if (is_e) {
    for (const ToldAuthority& told : node_.told_authorities()) add(told.zone, told.peer, told.certificate.get());
    view.on = !view.authorities.empty();
    view.listener = node_.onboarding_listener() == nullptr ? "" : node_.onboarding_listener()->address().text();
    view.problem = node_.onboarding_fault();
    const auto set = node_.vault().snapshot();
    view.endpoint_authorities = static_cast<std::size_t>(std::count_if(set->trust.begin(), set->trust.end(), [](const certificates::TrustedAuthority& each) { return each.purpose == certificates::TrustPurpose::endpoints; }));
    co_return view;
  }
  view.on = node_.site_store().snapshot()->unified.activation_code_onboarding;
  certificates::OnboardingStore& store = node_.onboarding_store();
  if (const auto set = store.snapshot(); set->authority != nullptr) add("", node_.config().node.fqdn, set->authority.get());
  const auto codes = store.codes(limit);
  if (!codes) co_return codes.fault();
  for (const certificates::ActivationCode& each : *codes) view.codes.push_back({each.device, utc(each.made_s), utc(each.expires_s), each.failures});
  const auto devices = store.devices(limit);
  if (!devices) co_return devices.fault();
  const std::int64_t now_s = std::time(nullptr);
  for (const certificates::OnboardedDevice& each : *devices)
    view.devices.push_back({each.device, each.serial, utc(each.first_s), utc(each.issued_s), utc(each.not_after_s), each.is_withdrawn ? "withdrawn" : each.not_after_s <= now_s ? "over" : "valid"});
  co_return view;
}

NodeFacts::Awaitable<Outcome<api::ActivationCodeView>> NodeFacts::make_activation_code(std::string device, std::int64_t seconds, std::string actor) {
  if (node_.config().is_e()) co_return Fault{FaultCode::conflict, "activation code", "this node is E; codes are C's, inside", "make it on C: sallyport onboarding code"};
  if (!node_.site_store().snapshot()->unified.activation_code_onboarding) co_return Fault{FaultCode::conflict, "activation code", "onboarding is switched off", "switch it on: sallyport onboarding on"};
  const std::int64_t now_s = std::time(nullptr);
  auto code = node_.onboarding_store().add_code(device, now_s, seconds, actor);
  if (!code) co_return code.fault();
  co_return api::ActivationCodeView{std::move(device), std::move(*code), utc(now_s + seconds)};
}

NodeFacts::Awaitable<Outcome<>> NodeFacts::withdraw_device(std::string device, std::string actor) {
  if (node_.config().is_e()) co_return Fault{FaultCode::conflict, "phone " + device.substr(0, 64), "this node is E; phones are C's, inside", "withdraw it on C: sallyport onboarding withdraw"};
  co_return node_.onboarding_store().withdraw(device, actor);
}

}  // namespace sallyport::node
