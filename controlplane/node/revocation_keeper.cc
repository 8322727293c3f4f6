// SPDX-License-Identifier: Apache-2.0
#include "controlplane/node/revocation_keeper.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <ctime>
#include <set>

#include "controlplane/revocation/revocation_schedule.h"
#include "controlplane/revocation/revocation_sources.h"
#include "controlplane/tls/alert_text.h"

namespace sallyport::node {

namespace asio = boost::asio;
using certificates::Slot;
using certificates::StoredCertificate;
using revocation::RevocationFinding;
using revocation::RevocationRecord;
using revocation::RevocationState;
using std::chrono::milliseconds;

namespace {

constexpr const char* system_authorities = "/etc/ssl/certs/ca-certificates.crt";
constexpr unsigned questions_at_once = 4;
constexpr unsigned failures_to_tell = 3;
constexpr std::size_t scanned_at_once = 32;
constexpr milliseconds longest_pause{60'000}, question_deadline{15'000}, list_deadline{60'000};
constexpr unsigned list_redirects = 2;
constexpr std::int64_t unsaid_validity_s = 86400;

std::string place_of(const ServedFile& file, const std::string& fingerprint) { return file.slot + " " + fingerprint; }

Outcome<std::string> body_of(const Outcome<http::HttpMessage>& answer, const std::string& url) {
  if (!answer) return answer.fault();
  if (answer->status != 200) return Fault{FaultCode::refused, url, "answers HTTP " + std::to_string(answer->status), "ask the authority, or see what stands between"};
  return answer->body;
}

}  // namespace

bool RevocationStatus::is_lost(std::int64_t now_s) const {
  if (failures < failures_to_tell) return false;
  const std::int64_t end_s = finding.next_update_s != 0 ? finding.next_update_s : finding.this_update_s + unsaid_validity_s;
  return finding.state == RevocationState::unchecked || end_s < now_s;
}

std::string RevocationStatus::text(std::int64_t now_s) const {
  std::string line;
  const std::string by = ocsp_url.empty() ? "the revocation list" : "OCSP";
  if (url().empty()) return "names neither an OCSP responder nor a revocation list that can be asked";
  if (finding.state == RevocationState::unchecked) line = "not checked yet";
  else line = std::string(revocation::name_of(finding.state)) + (finding.revoked_s != 0 ? " on " + tls::date_text(finding.revoked_s) + (finding.reason.empty() ? "" : ", " + finding.reason) : "") + ", told " + tls::date_text(finding.this_update_s) + " by " + by;
  if (staple_until_s > now_s) line += "; stapled until " + tls::date_text(staple_until_s);
  return problem.empty() ? line : line + "; the last attempt failed: " + problem;
}

RevocationKeeper::RevocationKeeper(asio::io_context& io, tls::StreamEngine& engine, dns::Resolver& resolver, certificates::CertificateVault& vault, std::unique_ptr<revocation::RevocationStore> store,
                                   std::shared_ptr<tls::StapleBook> staples, RevocationSurroundings surroundings, RevocationSettings settings, Log log)
    : io_(io), engine_(engine), resolver_(resolver), vault_(vault), store_(std::move(store)), staples_(std::move(staples)), surroundings_(std::move(surroundings)), settings_(settings), log_(std::move(log)), timer_(io), random_(std::random_device{}()) {
  load();
}

// Before the first handshake: what was known when the node ended is stapled again at once.
void RevocationKeeper::load() {
  auto records = store_->load();
  if (!records) return log_("revocation: " + records.fault().text());
  for (RevocationRecord& record : *records) {
    if (record.finding.state == RevocationState::good && record.staple_until_s != 0) {
      staples_->put(record.fingerprint, std::make_shared<const tls::Staple>(tls::Staple{std::move(record.staple), record.finding.this_update_s, record.staple_until_s}));
    }
    record.staple.clear();
    std::string fingerprint = record.fingerprint;
    loaded_.emplace(std::move(fingerprint), std::move(record));
  }
}

asio::awaitable<void> RevocationKeeper::run(std::shared_ptr<RevocationKeeper> self) {
  while (!self->stopped_) {
    self->timer_.expires_after(self->step());
    boost::system::error_code ignored;
    auto token = asio::redirect_error(asio::use_awaitable, ignored);
    co_await self->timer_.async_wait(token);
  }
}

void RevocationKeeper::stop() {
  stopped_ = true;
  timer_.cancel();
}

void RevocationKeeper::look_again() {
  has_news_ = true;
  timer_.cancel();
}

void RevocationKeeper::configure(RevocationSettings settings) {
  settings.may_ask_this_host = settings_.may_ask_this_host;
  settings_ = settings;
  timer_.cancel();
}

Outcome<> RevocationKeeper::check_now(const std::string& slot) {
  if (!settings_.is_on) return Fault{FaultCode::refused, slot, "revocation is not checked on this node", "switch it on in the node file: certificates.revocation = \"on\", and reload"};
  bool is_known = false;
  for (auto& [key, kept] : kept_) {
    if (kept.slot != slot || kept.url().empty()) continue;
    kept.next_check_s = 0;
    is_known = true;
  }
  timer_.cancel();
  if (!is_known) return Fault{FaultCode::missing, slot, "has no certificate that names who tells whether it was revoked", "see sallyport cert list"};
  return Done{};
}

void RevocationKeeper::each(const std::function<void(const RevocationStatus&)>& look) const {
  for (const auto& [key, kept] : kept_) look(kept);
}

const RevocationStatus* RevocationKeeper::find(const std::string& slot, const std::string& serial) const {
  const auto found = std::find_if(kept_.begin(), kept_.end(), [&](const auto& entry) { return entry.second.serial == serial && entry.second.slot == slot; });
  return found == kept_.end() ? nullptr : &found->second;
}

const RevocationStatus* RevocationKeeper::find_by_fingerprint(const std::string& fingerprint) const {
  const auto found = std::find_if(kept_.begin(), kept_.end(), [&](const auto& entry) { return entry.second.fingerprint == fingerprint; });
  return found == kept_.end() ? nullptr : &found->second;
}

void RevocationKeeper::begin_scan() {
  has_news_ = false;
  is_scanning_ = true;
  waiting_.clear();
  seen_.clear();
  const auto set = vault_.snapshot();
  for (const StoredCertificate& stored : set->certificates) {
    if (!stored.may_tell_revocation) continue;
    const std::string key = std::to_string(stored.id);
    seen_[key] = true;
    if (!kept_.contains(key)) waiting_.push_back({stored.id, stored.slot, stored.family});
  }
  for (const ServedFile& file : surroundings_.files()) {
    X509* leaf = file.credential->certificate.get();
    if (!revocation::may_name_sources(leaf)) continue;
    const std::string key = place_of(file, tls::fingerprint_of(leaf));
    seen_[key] = true;
    if (kept_.contains(key)) continue;
    Kept kept;
    kept.slot = file.slot;
    kept.file = file.credential;
    std::vector<std::shared_ptr<X509>> chain{file.credential->certificate};
    const auto links = tls::links_of(file.credential->chain);
    chain.insert(chain.end(), links.begin(), links.end());
    adopt(key, std::move(kept), chain);
  }
}

// Reading a certificate takes a tenth of a millisecond, ten thousand would hold up calls: some at a time.
bool RevocationKeeper::scan_some() {
  if (has_news_) begin_scan();
  if (!is_scanning_) return false;
  for (std::size_t count = 0; count < scanned_at_once && !waiting_.empty(); ++count) {
    const WaitingVault next = std::move(waiting_.back());
    waiting_.pop_back();
    const auto chain = vault_.chain(next.slot, next.family);
    if (!chain) continue;  // it went meanwhile, and news of that come
    Kept kept;
    kept.slot = next.slot.text();
    kept.family = next.family;
    adopt(std::to_string(next.id), std::move(kept), *chain);
  }
  if (!waiting_.empty()) return true;
  end_scan();
  return false;
}

void RevocationKeeper::adopt(const std::string& key, Kept kept, const std::vector<std::shared_ptr<X509>>& chain) {
  X509* leaf = chain.front().get();
  const revocation::RevocationSources sources = revocation::revocation_sources(leaf);
  if (!sources.has_any() && !sources.must_staple) return;
  const tls::PeerCertificate said = tls::describe_certificate(leaf);
  kept.serial = said.serial;
  kept.fingerprint = said.fingerprint_sha256;
  kept.not_after_s = said.not_after_s;
  kept.ocsp_url = sources.ocsp_url;
  kept.crl_url = sources.crl_url;
  kept.must_staple = sources.must_staple;
  if (kept.file != nullptr) kept.family = EVP_PKEY_get_base_id(kept.file->key.get()) == EVP_PKEY_EC ? tls::KeyFamily::ecdsa : tls::KeyFamily::rsa;
  if (kept.ocsp_url.empty()) {
    if (const auto issuer = issuer_of(leaf, chain)) kept.issuer_fingerprint = tls::fingerprint_of(issuer.get());
  }
  if (const auto found = loaded_.find(kept.fingerprint); found != loaded_.end()) {
    kept.finding = found->second.finding;
    kept.staple_until_s = found->second.staple_until_s;
    kept.next_check_s = revocation::next_check_s(kept.finding, std::time(nullptr), draw());
  }
  kept_.insert_or_assign(key, std::move(kept));
}

void RevocationKeeper::end_scan() {
  is_scanning_ = false;
  std::set<std::string> in_use;
  std::vector<std::string> gone;
  std::erase_if(kept_, [&](const auto& entry) {
    if (seen_.contains(entry.first)) return false;
    gone.push_back(entry.second.fingerprint);
    return true;
  });
  for (const auto& [key, kept] : kept_) in_use.insert(kept.fingerprint);
  for (const auto& [fingerprint, record] : loaded_) gone.push_back(fingerprint);
  loaded_.clear();
  seen_.clear();
  std::erase_if(gone, [&](const std::string& fingerprint) { return in_use.contains(fingerprint); });
  for (const std::string& fingerprint : gone) staples_->remove(fingerprint);
  if (gone.empty()) return;
  if (const Outcome<> done = store_->forget_all_but(in_use); !done) log_("revocation: " + done.fault().text());
}

milliseconds RevocationKeeper::step() {
  if (scan_some()) return milliseconds(1);
  if (!settings_.is_on) return longest_pause;
  const auto interval = std::chrono::duration_cast<std::chrono::steady_clock::duration>(std::chrono::minutes(1)) / std::max(settings_.requests_per_min, 1u);
  while (in_flight_ < questions_at_once) {
    const auto now = std::chrono::steady_clock::now();
    Kept* due = find_due();
    if (due == nullptr) return pause();
    if (next_start_ > now) return std::chrono::duration_cast<milliseconds>(next_start_ - now) + milliseconds(1);
    // As many at once as may run, then by the pace.
    next_start_ = std::max(next_start_, now - interval * (questions_at_once - 1)) + interval;
    const auto place = std::find_if(kept_.begin(), kept_.end(), [&](const auto& entry) { return &entry.second == due; });
    begin(place->first, *due);
  }
  return longest_pause;  // until one of them ends
}

RevocationKeeper::Kept* RevocationKeeper::find_due() {
  const std::int64_t now_s = std::time(nullptr);
  const auto rank = [](const Kept& kept) { return std::pair(kept.slot.starts_with("domain/"), kept.next_check_s); };
  Kept* first = nullptr;
  for (auto& [key, kept] : kept_) {
    if (kept.is_asked || kept.next_check_s > now_s || kept.url().empty() || kept.not_after_s < now_s) continue;
    if (first == nullptr || rank(kept) < rank(*first)) first = &kept;
  }
  return first;
}

milliseconds RevocationKeeper::pause() const {
  const std::int64_t now_s = std::time(nullptr);
  std::int64_t shortest_s = longest_pause.count() / 1000;
  for (const auto& [key, kept] : kept_)
    if (!kept.is_asked && !kept.url().empty() && kept.not_after_s >= now_s) shortest_s = std::min(shortest_s, std::max<std::int64_t>(kept.next_check_s - now_s, 1));
  return std::chrono::seconds(shortest_s);
}

void RevocationKeeper::begin(const std::string& key, Kept& kept) {
  ++in_flight_;
  kept.is_asked = true;
  if (!kept.ocsp_url.empty()) {
    asio::co_spawn(io_, ask_responder(shared_from_this(), key), asio::detached);
    return;
  }
  // One list tells of all that name it.
  std::vector<std::string> keys{key};
  for (auto& [other, each] : kept_) {
    if (other == key || each.is_asked || !each.ocsp_url.empty() || each.crl_url != kept.crl_url || each.issuer_fingerprint != kept.issuer_fingerprint) continue;
    each.is_asked = true;
    keys.push_back(other);
  }
  asio::co_spawn(io_, ask_list(shared_from_this(), std::move(keys), kept.crl_url), asio::detached);
}

std::shared_ptr<X509> RevocationKeeper::issuer_of(X509* certificate, const std::vector<std::shared_ptr<X509>>& chain) const {
  const auto issued = [&](const std::shared_ptr<X509>& candidate) {
    const bool is = candidate.get() != certificate && X509_check_issued(candidate.get(), certificate) == X509_V_OK && X509_verify(certificate, X509_get0_pubkey(candidate.get())) == 1;
    ERR_clear_error();
    return is;
  };
  if (const auto found = std::find_if(chain.begin(), chain.end(), issued); found != chain.end()) return *found;
  const auto known = surroundings_.authorities();
  const auto found = std::find_if(known.begin(), known.end(), issued);
  return found == known.end() ? nullptr : *found;
}

Outcome<RevocationKeeper::Material> RevocationKeeper::material_of(const Kept& kept) const {
  std::vector<std::shared_ptr<X509>> chain;
  if (kept.file != nullptr) {
    chain.push_back(kept.file->certificate);
    const auto links = tls::links_of(kept.file->chain);
    chain.insert(chain.end(), links.begin(), links.end());
  } else {
    auto slot = Slot::parse(kept.slot);
    if (!slot) return slot.fault();
    auto read = vault_.chain(*slot, kept.family);
    if (!read) return read.fault();
    chain = std::move(*read);
  }
  Material material{chain.front(), nullptr};
  if (tls::fingerprint_of(material.certificate.get()) != kept.fingerprint) return Fault{FaultCode::missing, kept.slot, "has another certificate by now", "wait a moment"};
  material.issuer = issuer_of(material.certificate.get(), chain);
  if (material.issuer == nullptr) return Fault{FaultCode::missing, kept.slot, "the certificate of its issuer is not known here, by which an answer would be verified", "upload it with its intermediates, or trust its authority: sallyport trust add"};
  return material;
}

// A responder that is reached by https is rare: such URLs lead into a circle where the answer is about the server's own certificate.
std::shared_ptr<tls::TlsPolicy> RevocationKeeper::system_trust() {
  if (https_policy_ != nullptr) return https_policy_;
  tls::CredentialSource trust;
  trust.ca_paths = {system_authorities};
  auto credentials = tls::CredentialStore::load(std::move(trust));
  if (!credentials) return nullptr;
  auto policy = http::HttpClient::make_policy(std::move(*credentials));
  if (policy) https_policy_ = std::move(*policy);
  return https_policy_;
}

http::HttpClientOptions RevocationKeeper::client_options(std::size_t body_bytes) {
  http::HttpClientOptions options;
  options.allow_plain = true;
  if (!settings_.may_ask_this_host) options.admits = [](const tls::SocketAddress& address) { return address.is_beyond_link(); };
  options.limits.body_bytes = body_bytes;
  options.deadline = question_deadline;
  return options;
}

asio::awaitable<void> RevocationKeeper::ask_responder(std::shared_ptr<RevocationKeeper> self, std::string key) {
  const auto place = self->kept_.find(key);
  if (place == self->kept_.end()) {
    self->end_question();
    co_return;
  }
  const std::string url = place->second.ocsp_url;
  const auto material = self->material_of(place->second);
  const auto question = material ? revocation::make_ocsp_request(material->certificate.get(), material->issuer.get()) : Outcome<std::string>(material.fault());
  if (!question) {
    self->fail(place->second, question.fault());
    self->end_question();
    co_return;
  }
  http::HttpClientOptions options = self->client_options(revocation::max_ocsp_bytes);
  if (url.starts_with("https:")) options.tls = self->system_trust();
  http::HttpClient client(self->engine_, self->resolver_, std::move(options));
  http::HttpRequest request;
  request.method = "POST";
  request.url = url;
  request.content_type = revocation::ocsp_request_type;
  request.body = *question;
  const auto answer = co_await client.ask(std::move(request));
  if (!self->stopped_) self->take_answer(key, *material, answer);
  self->end_question();
}

void RevocationKeeper::take_answer(const std::string& key, const Material& material, const Outcome<http::HttpMessage>& answer) {
  const auto found = kept_.find(key);
  if (found == kept_.end()) return;  // replaced meanwhile
  Kept& kept = found->second;
  const auto body = body_of(answer, kept.ocsp_url);
  if (!body) return fail(kept, body.fault());
  if (const std::string type = answer->media_type(); type != revocation::ocsp_answer_type) {
    return fail(kept, {FaultCode::invalid, kept.ocsp_url, "answers with " + (type.empty() ? "no content type" : "\"" + type.substr(0, 64) + "\"") + ", not " + revocation::ocsp_answer_type, "see what stands between, such as a proxy"});
  }
  const auto verdict = revocation::judge_ocsp_answer(*body, material.certificate.get(), material.issuer.get(), std::time(nullptr));
  if (!verdict) return fail(kept, verdict.fault());
  const RevocationFinding& finding = verdict->finding;
  // Who stands between could play an old answer again, from before the revocation.
  if (finding.this_update_s < kept.finding.this_update_s) return fail(kept, {FaultCode::refused, kept.ocsp_url, "answers with what is older than its last word", "it is asked again"});
  ++(finding.state == RevocationState::good ? counters_.good : finding.state == RevocationState::revoked ? counters_.revoked : counters_.unknown);
  apply(kept, finding);
  RevocationRecord record{kept.fingerprint, finding, {}, 0};
  if (verdict->staple_until_s != 0) {
    record.staple = *body;
    kept.staple_until_s = record.staple_until_s = verdict->staple_until_s;
    staples_->put(kept.fingerprint, std::make_shared<const tls::Staple>(tls::Staple{*body, finding.this_update_s, verdict->staple_until_s}));
  } else if (finding.state != RevocationState::good) {
    kept.staple_until_s = 0;
    staples_->remove(kept.fingerprint);
  } else if (const tls::StaplePtr earlier = staples_->find(kept.fingerprint)) {
    // Good, without an end: clients take no such staple, and the earlier one has not been taken back.
    record.staple = earlier->response;
    record.staple_until_s = earlier->next_update_s;
  }
  if (const Outcome<> done = store_->keep({record}); !done) log_("revocation: " + done.fault().text());
}

asio::awaitable<void> RevocationKeeper::ask_list(std::shared_ptr<RevocationKeeper> self, std::vector<std::string> keys, std::string url) {
  std::erase_if(keys, [&](const std::string& key) { return !self->kept_.contains(key); });
  if (keys.empty()) {
    self->end_question();
    co_return;
  }
  const auto material = self->material_of(self->kept_.find(keys.front())->second);
  if (!material) {
    self->take_list(keys, material.fault());
    self->end_question();
    co_return;
  }
  revocation::CrlQuestion question;
  question.certificate = material->certificate;
  question.issuer = material->issuer;
  for (const std::string& key : keys) question.serials.push_back(self->kept_.find(key)->second.serial);
  http::HttpClientOptions options = self->client_options(revocation::max_crl_bytes);
  options.deadline = list_deadline;
  options.redirects = list_redirects;
  if (url.starts_with("https:")) options.tls = self->system_trust();
  http::HttpClient client(self->engine_, self->resolver_, std::move(options));
  http::HttpRequest request;
  request.url = url;
  const auto answer = co_await client.ask(std::move(request));
  auto body = body_of(answer, url);
  if (!body) {
    if (!self->stopped_) self->take_list(keys, body.fault());
    self->end_question();
    co_return;
  }
  question.list = std::move(*body);
  question.now_s = std::time(nullptr);
  const auto findings = co_await revocation::judge_crl_aside(std::move(question));
  if (!self->stopped_) self->take_list(keys, findings);
  self->end_question();
}

void RevocationKeeper::take_list(const std::vector<std::string>& keys, const Outcome<std::vector<RevocationFinding>>& findings) {
  ++(findings ? counters_.lists_read : counters_.lists_failed);
  std::vector<RevocationRecord> records;
  for (std::size_t at = 0; at < keys.size(); ++at) {
    const auto found = kept_.find(keys[at]);
    if (found == kept_.end()) continue;
    Kept& kept = found->second;
    const std::string& url = kept.crl_url;
    if (!findings) {
      fail(kept, findings.fault());
      continue;
    }
    const RevocationFinding& finding = (*findings)[at];
    if (finding.this_update_s < kept.finding.this_update_s) {
      fail(kept, {FaultCode::refused, url, "is older than the list before", "it is read again"});
      continue;
    }
    apply(kept, finding);
    records.push_back({kept.fingerprint, finding, {}, 0});
  }
  if (records.empty()) return;
  if (const Outcome<> done = store_->keep(records); !done) log_("revocation: " + done.fault().text());
}

void RevocationKeeper::apply(Kept& kept, const RevocationFinding& finding) {
  const bool is_other = kept.finding.state != finding.state;
  const std::int64_t now_s = std::time(nullptr);
  kept.is_asked = false;
  kept.finding = finding;
  kept.failures = 0;
  kept.problem.clear();
  kept.next_check_s = revocation::next_check_s(finding, now_s, draw());
  if (is_other && finding.state != RevocationState::good) log_(fmt::format("revocation: {}: certificate {} is {}", kept.slot, kept.serial, kept.text(now_s)));
}

void RevocationKeeper::fail(Kept& kept, const Fault& fault) {
  if (!kept.ocsp_url.empty()) ++counters_.failed;
  kept.is_asked = false;
  kept.problem = fault.text();
  kept.next_check_s = revocation::retry_s(++kept.failures, std::time(nullptr), draw());
  if (kept.failures == 1 || kept.failures == failures_to_tell) log_(fmt::format("revocation: {}: certificate {}: {}", kept.slot, kept.serial, kept.problem));
}

void RevocationKeeper::end_question() {
  --in_flight_;
  timer_.cancel();
}

}  // namespace sallyport::node
