// SPDX-License-Identifier: Apache-2.0
#include "controlplane/node/acme_keeper.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <ctime>

#include "controlplane/acme/dns01_hook.h"
#include "controlplane/acme/dns01_rfc2136.h"
#include "controlplane/acme/http01_solver.h"
#include "controlplane/acme/tls_alpn01_solver.h"
#include "controlplane/certificates/key_maker.h"

namespace sallyport::node {

namespace asio = boost::asio;
using certificates::Slot;
using certificates::StoredCertificate;

namespace {

constexpr const char* system_authorities = "/etc/ssl/certs/ca-certificates.crt";
constexpr std::chrono::seconds longest_pause(3600);
constexpr std::string_view origin_prefix = "acme ";

// "192.0.2.53", "192.0.2.53:5353", "[2001:db8::1]:53"
Outcome<tls::SocketAddress> dns_address(const std::string& text) {
  if (auto plain = tls::SocketAddress::parse(text, 53)) return plain;
  return tls::SocketAddress::parse_with_port(text);
}

const StoredCertificate* newest_of(const certificates::CertificateSet& set, const Slot& slot) {
  const StoredCertificate* newest = nullptr;
  for (const StoredCertificate& stored : set.certificates)
    if (stored.slot == slot && stored.origin.starts_with(origin_prefix) && (newest == nullptr || stored.id > newest->id)) newest = &stored;
  return newest;
}

}  // namespace

AcmeKeeper::AcmeKeeper(asio::io_context& io, tls::StreamEngine& engine, dns::Resolver& resolver, certificates::CertificateVault& vault, certificates::AcmeStore& store, AcmeKeeperSettings settings, Names names, Log log)
    : engine_(engine), resolver_(resolver), vault_(vault), store_(store), settings_(std::move(settings)), names_(std::move(names)), log_(std::move(log)), timer_(io) {
  take_config();
}

asio::awaitable<void> AcmeKeeper::run(std::shared_ptr<AcmeKeeper> self) {
  while (!self->stopped_) {
    if (Kept* due = self->find_due(&Kept::due_s)) {
      std::string slot = due->slot.text();
      self->is_busy_ = true;
      co_await self->renew(std::move(slot));
      self->is_busy_ = false;
      continue;
    }
    if (Kept* due = self->find_due(&Kept::advice_s)) {
      std::string slot = due->slot.text();
      co_await self->ask_advice(std::move(slot));
      continue;
    }
    self->timer_.expires_after(self->pause());
    boost::system::error_code ignored;
    auto token = asio::redirect_error(asio::use_awaitable, ignored);
    co_await self->timer_.async_wait(token);
  }
}

void AcmeKeeper::stop() {
  stopped_ = true;
  solver_.reset();
  timer_.cancel();
}

void AcmeKeeper::look_again() {
  take_config();
  timer_.cancel();
}

Outcome<> AcmeKeeper::renew_now(const Slot& slot) {
  Kept* kept = find(slot.text());
  if (kept == nullptr) return Fault{FaultCode::missing, slot.text(), "is not kept by ACME", "switch it on first: sallyport acme on " + slot.text()};
  kept->due_s = std::time(nullptr);
  timer_.cancel();
  return Done{};
}

std::vector<std::pair<Slot, acme::DomainStatus>> AcmeKeeper::status() const {
  std::vector<std::pair<Slot, acme::DomainStatus>> list;
  for (const auto& [name, kept] : kept_) list.emplace_back(kept.slot, kept.status);
  return list;
}

void AcmeKeeper::take_config() {
  const auto config = store_.snapshot();
  std::erase_if(kept_, [&](const auto& entry) { return !config->keeps(entry.second.slot); });
  for (const Slot& slot : config->slots) {
    const auto [place, is_new] = kept_.try_emplace(slot.text());
    if (!is_new) {
      // What failed for want of something may have it now.
      if (place->second.status.state == acme::DomainState::failed) place->second.due_s = std::time(nullptr);
      continue;
    }
    place->second.slot = slot;
    schedule(place->second);
  }
}

double AcmeKeeper::draw(const Kept& kept) const { return acme::draw_of(settings_.node_name + " " + kept.slot.text() + " " + std::to_string(kept.status.failures) + " " + std::to_string(kept.status.valid_until_s.value_or(0))); }

// By what the vault holds: after a start, and after an order.
void AcmeKeeper::schedule(Kept& kept) {
  const auto set = vault_.snapshot();
  const StoredCertificate* stored = newest_of(*set, kept.slot);
  const int64_t now_s = std::time(nullptr);
  if (stored == nullptr) {
    kept.status = acme::begun(acme::DomainStatus{}, "to be ordered");
    kept.due_s = now_s;
    return;
  }
  const acme::CertificateLife life{stored->not_before_s, stored->not_after_s};
  kept.authority = stored->origin.substr(origin_prefix.size());
  kept.status.authority = kept.authority;
  kept.status.valid_until_s = life.not_after_s;
  kept.due_s = acme::renewal_time_s(life, std::nullopt, draw(kept));
  kept.status = acme::deployed(std::move(kept.status), life, kept.due_s);
  kept.advice_s = now_s;
}

AcmeKeeper::Kept* AcmeKeeper::find_due(int64_t Kept::* when) {
  const int64_t now_s = std::time(nullptr);
  for (auto& [name, kept] : kept_)
    if (kept.*when != 0 && kept.*when <= now_s) return &kept;
  return nullptr;
}

AcmeKeeper::Kept* AcmeKeeper::find(const std::string& slot) {
  const auto found = kept_.find(slot);
  return found == kept_.end() ? nullptr : &found->second;
}

std::chrono::seconds AcmeKeeper::pause() const {
  std::chrono::seconds shortest = longest_pause;
  const int64_t now_s = std::time(nullptr);
  for (const auto& [name, kept] : kept_)
    for (const int64_t when : {kept.due_s, kept.advice_s})
      if (when != 0) shortest = std::min(shortest, std::chrono::seconds(std::max<int64_t>(1, when - now_s)));
  return shortest;
}

void AcmeKeeper::fail(const std::string& slot, const Fault& fault) {
  ++counters_.failed;
  Kept* kept = find(slot);
  if (kept == nullptr) return;
  kept->status = acme::failed(std::move(kept->status), fault, std::time(nullptr), draw(*kept));
  kept->due_s = kept->status.next_attempt_s.value_or(0);
  log_(fmt::format("acme: {}: {}", slot, kept->status.text()));
}

// The account's key, made when it is first needed.
Outcome<acme::AccountKey> AcmeKeeper::account_key(const std::string& authority) {
  auto kept = store_.account_key(authority);
  if (!kept) return kept.fault();
  if (kept->is_empty()) {
    auto made = acme::AccountKey::generate();
    if (!made) return made;
    if (const Outcome<> done = store_.keep_account(authority, certificates::der_of(made->key().get()), ""); !done) return done.fault();
    return made;
  }
  auto key = certificates::key_from_der(kept->reveal(), "ACME account at " + authority);
  if (!key) return key.fault();
  return acme::AccountKey::from(std::move(*key));
}

Outcome<acme::Authority> AcmeKeeper::authority_of(const certificates::AcmeAuthority& config) {
  tls::CredentialSource trust;
  trust.ca_paths = {config.ca_file.empty() ? system_authorities : config.ca_file};
  auto credentials = tls::CredentialStore::load(std::move(trust));
  if (!credentials) return credentials.fault();
  auto policy = http::HttpClient::make_policy(std::move(*credentials));
  if (!policy) return policy.fault();
  auto key = account_key(config.name);
  if (!key) return key.fault();
  acme::AccountWish account;
  account.contacts = config.contacts;
  account.agree_to_terms = config.agrees_to_terms;
  if (!config.external_key_id.empty()) {
    auto hmac_key = store_.hmac_key(config.name);
    if (!hmac_key) return hmac_key.fault();
    auto external = std::make_shared<acme::ExternalAccount>();
    external->key_id = config.external_key_id;
    external->hmac_key = std::move(*hmac_key);
    account.external = std::move(external);
  }
  return acme::Authority{.name = config.name, .directory_url = config.directory_url, .tls = std::move(*policy), .account = std::move(account), .key = std::move(*key), .account_url = config.account_url, .preferred_root = config.preferred_root,
                         .profile = config.profile};
}

Outcome<std::unique_ptr<acme::Solver>> AcmeKeeper::make_solver(const certificates::AcmeConfig& config) {
  if (config.challenge == "http-01") {
    acme::Http01Options options;
    options.addresses = {settings_.http_address};
    options.freebind = true;
    return std::unique_ptr<acme::Solver>(std::make_unique<acme::Http01Solver>(engine_, std::move(options)));
  }
  if (config.challenge == "tls-alpn-01") {
    acme::TlsAlpn01Options options;
    options.addresses = {settings_.tls_address};
    options.freebind = true;
    return std::unique_ptr<acme::Solver>(std::make_unique<acme::TlsAlpn01Solver>(engine_, std::move(options)));
  }
  if (!config.dns_hook.empty()) {
    acme::Dns01HookOptions options;
    options.program = config.dns_hook;
    return std::unique_ptr<acme::Solver>(std::make_unique<acme::Dns01Hook>(std::move(options)));
  }
  if (config.dns_server.empty()) return Fault{FaultCode::missing, "ACME challenge dns-01", "neither a DNS server that takes updates nor a hook is set", "sallyport acme set dns_server 192.0.2.53, with dns_key_name and dns_key; or set dns_hook"};
  acme::Dns01Rfc2136Options options;
  auto server = dns_address(config.dns_server);
  if (!server) return server.fault();
  options.server = *server;
  options.key.name = config.dns_key_name;
  options.key.algorithm = config.dns_algorithm == "hmac-sha512" ? acme::TsigAlgorithm::hmac_sha512 : acme::TsigAlgorithm::hmac_sha256;
  options.zone = config.dns_zone;
  options.alias = config.dns_alias;
  for (size_t from = 0; from < config.dns_check_servers.size();) {
    const size_t end = std::min(config.dns_check_servers.find(',', from), config.dns_check_servers.size());
    auto check = dns_address(config.dns_check_servers.substr(from, end - from));
    if (!check) return check.fault();
    options.check_servers.push_back(*check);
    from = end + 1;
  }
  auto secret = store_.dns_key();
  if (!secret) return secret.fault();
  options.key.secret = std::make_shared<const store::Secret>(std::move(*secret));
  return std::unique_ptr<acme::Solver>(std::make_unique<acme::Dns01Rfc2136>(engine_, resolver_, std::move(options)));
}

asio::awaitable<void> AcmeKeeper::renew(std::string slot_text) {
  const auto config = store_.snapshot();
  Kept* kept = find(slot_text);
  const Slot slot = kept->slot;
  kept->due_s = 0;  // not again while this runs
  kept->status = acme::begun(std::move(kept->status), "makes a key and a request");
  ++counters_.orders;
  auto needed = names_(slot);
  if (!needed) {
    fail(slot_text, needed.fault());
    co_return;
  }
  certificates::RequestWish wish;
  wish.key = config->key;
  for (const certificates::NeededName& each : needed->names)
    if (each.name.kind == tls::NameKind::dns) wish.names.push_back(each.name);
  auto key = co_await certificates::make_key_aside(wish.key);
  if (!key) {
    fail(slot_text, key.fault());
    co_return;
  }
  auto pem = certificates::make_request(wish, key->get());
  auto solver = make_solver(*config);
  if (!pem || !solver) {
    fail(slot_text, pem ? solver.fault() : pem.fault());
    co_return;
  }
  solver_ = std::move(*solver);
  acme::OrderJob job;
  job.request_der = certificates::request_der(*pem);
  job.solvers = {solver_.get()};
  for (const certificates::AcmeAuthority& each : config->authorities) {
    auto authority = authority_of(each);
    if (!authority) {
      fail(slot_text, authority.fault());
      co_return;
    }
    authority->not_before_s = left_alone_until_s_[each.name];
    job.authorities.push_back(std::move(*authority));
  }
  if (job.authorities.empty()) {
    fail(slot_text, {FaultCode::missing, "ACME", "there is no authority to ask", "add one: sallyport acme authority add NAME URL"});
    co_return;
  }
  const auto set = vault_.snapshot();
  if (const StoredCertificate* stored = newest_of(*set, slot)) {
    if (const auto credential = stored->held->get()) job.replaces = acme::renewal_id(credential->certificate.get());
    job.replaces_authority = stored->origin.substr(origin_prefix.size());
  }
  job.on_account = [this](const std::string& name, const std::string& url) {
    if (const Outcome<> done = store_.keep_account(name, store::Secret(), url); !done) log_("acme: " + done.fault().text());
  };
  job.on_progress = [this, slot_text](const std::string& what) {
    if (Kept* now = find(slot_text)) now->status.reason = what;
    log_(fmt::format("acme: {}: {}", slot_text, what));
  };
  acme::OrderReport report = co_await acme::run_order(engine_, resolver_, std::move(job));
  solver_.reset();
  kept = find(slot_text);
  if (kept == nullptr || stopped_) co_return;  // switched off meanwhile
  for (const acme::AuthorityFailure& failure : report.failures) left_alone_until_s_[failure.authority] = acme::left_alone_until_s(std::time(nullptr), failure.refusal);
  for (const acme::AuthorityFailure& failure : report.failures) log_(fmt::format("acme: {}: {}", slot_text, failure.fault.text()));
  if (!report.issued) {
    ++counters_.failed;
    kept->status = acme::failed(std::move(kept->status), report, std::time(nullptr), draw(*kept));
    kept->due_s = kept->status.next_attempt_s.value_or(0);
    log_(fmt::format("acme: {}: {}", slot_text, kept->status.text()));
    co_return;
  }
  // Judged like an upload; what is refused there leaves the old one in service.
  certificates::InstallWish install;
  install.slot = slot;
  install.upload.certificate = report.issued->chain.pem;
  install.upload.own_key = *key;
  install.upload.file = "certificate of authority " + report.issued->authority;
  install.origin = std::string(origin_prefix) + report.issued->authority;
  const auto installed = vault_.install(install, "acme");
  kept = find(slot_text);
  if (kept == nullptr) co_return;
  if (!installed) {
    fail(slot_text, installed.fault());
    co_return;
  }
  ++counters_.issued;
  kept->status.failures = 0;
  schedule(*kept);
  log_(fmt::format("acme: {}: {} by {}", slot_text, kept->status.text(), report.issued->authority));
}

asio::awaitable<Outcome<>> AcmeKeeper::change_account_key(std::string name) {
  const std::string subject = "ACME account at " + name.substr(0, 63);
  const auto config = store_.snapshot();
  const certificates::AcmeAuthority* wanted = config->find(name);
  if (wanted == nullptr) co_return Fault{FaultCode::missing, subject, "there is no authority of that name", "see sallyport acme status"};
  if (wanted->account_url.empty()) co_return Fault{FaultCode::missing, subject, "there is no account yet", "it is made with the first order"};
  if (is_busy_) co_return Fault{FaultCode::conflict, subject, "an order is under way", "try again when it is over: sallyport acme status"};
  auto authority = authority_of(*wanted);
  if (!authority) co_return authority.fault();
  auto next = acme::AccountKey::generate();
  if (!next) co_return next.fault();
  acme::AcmeClientOptions options;
  options.authority = wanted->name;
  options.directory_url = wanted->directory_url;
  options.tls = authority->tls;
  is_busy_ = true;
  acme::AcmeClient client(engine_, resolver_, std::move(options), authority->key, authority->account_url);
  auto changed = co_await client.open();
  // Kept before it is told: if this process ends in between, registering the new key finds the account, or makes one.
  if (changed) changed = store_.keep_account(name, certificates::der_of(next->key().get()), "");
  acme::AccountKey fresh = *next;
  if (changed) changed = co_await client.change_key(std::move(fresh));
  is_busy_ = false;
  // What the authority refused is as it was. Where it was not heard, only registering tells which key it has.
  const bool is_refused = !changed && !client.last_refusal().type.empty();
  if (is_refused) {
    if (const Outcome<> kept = store_.keep_account(name, certificates::der_of(authority->key.key().get()), authority->account_url); !kept) co_return kept.fault();
  }
  if (!changed) co_return changed.fault();
  if (const Outcome<> kept = store_.keep_account(name, store::Secret(), client.account_url()); !kept) co_return kept.fault();
  log_("acme: authority " + name + ": the account has a new key");
  co_return Done{};
}

// RFC 9773: the authority may want it renewed earlier, for example before it revokes.
asio::awaitable<void> AcmeKeeper::ask_advice(std::string slot_text) {
  Kept* kept = find(slot_text);
  const int64_t now_s = std::time(nullptr);
  kept->advice_s = acme::advice_time_s(now_s, std::nullopt);
  const auto config = store_.snapshot();
  const auto set = vault_.snapshot();
  const StoredCertificate* stored = newest_of(*set, kept->slot);
  const certificates::AcmeAuthority* issuer = config->find(kept->authority);
  if (stored == nullptr || issuer == nullptr) co_return;
  const auto credential = stored->held->get();
  auto authority = authority_of(*issuer);
  if (credential == nullptr || !authority) co_return;
  std::string id = acme::renewal_id(credential->certificate.get());
  if (id.empty()) co_return;
  acme::AcmeClientOptions options;
  options.authority = issuer->name;
  options.directory_url = issuer->directory_url;
  options.tls = authority->tls;
  acme::AcmeClient client(engine_, resolver_, std::move(options), authority->key, authority->account_url);
  const auto opened = co_await client.open();
  if (!opened || client.directory().renewal_info.empty()) co_return;
  const auto advice = co_await client.renewal_info(std::move(id));
  kept = find(slot_text);
  if (!advice || kept == nullptr) co_return;
  const acme::CertificateLife life{stored->not_before_s, stored->not_after_s};
  kept->due_s = acme::renewal_time_s(life, advice->info, draw(*kept));
  kept->status = acme::deployed(std::move(kept->status), life, kept->due_s);
  kept->advice_s = acme::advice_time_s(now_s, advice->ask_again_after_s);
}

}  // namespace sallyport::node
