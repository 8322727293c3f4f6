// SPDX-License-Identifier: Apache-2.0
// The account's side: directory, nonces, signed requests, the account and its key. Orders are in acme_client_order.cc.
#include "controlplane/acme/acme_client.h"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <ctime>

#include "controlplane/acme/jws.h"
#include "controlplane/acme/timestamp.h"

namespace sallyport::acme {
namespace {

namespace asio = boost::asio;
constexpr auto as_result = asio::as_tuple(asio::use_awaitable);

constexpr size_t most_nonces = 8;
constexpr size_t longest_nonce = 256;

http::HttpClientOptions https_options(const AcmeClientOptions& options) {
  http::HttpClientOptions https;
  https.tls = options.tls;
  https.local = options.local;
  https.deadline = options.request_deadline;
  return https;
}

std::string list_text(const std::vector<std::string>& texts) {
  std::string list;
  for (const std::string& text : texts) list += (list.empty() ? "" : ",") + json_string(text);
  return "[" + list + "]";
}

}  // namespace

AcmeClient::AcmeClient(tls::StreamEngine& engine, dns::Resolver& resolver, AcmeClientOptions options, AccountKey key, std::string account_url)
    : engine_(engine), https_(engine, resolver, https_options(options)), options_(std::move(options)), key_(std::move(key)), account_url_(std::move(account_url)) {}

std::optional<int64_t> AcmeClient::retry_after_of(const http::HttpMessage& answer) {
  const std::string* text = answer.find("retry-after");
  if (text == nullptr) return std::nullopt;
  return parse_retry_after(*text, std::time(nullptr));
}

Fault AcmeClient::fault(FaultCode code, std::string cause, std::string remedy) const { return Fault{code, subject(), std::move(cause), std::move(remedy)}; }

void AcmeClient::keep_nonce(const http::HttpMessage& answer) {
  const std::string* nonce = answer.find("replay-nonce");
  const bool is_good = nonce != nullptr && !nonce->empty() && nonce->size() <= longest_nonce && decode_base64url(*nonce).has_value();
  if (!is_good) return;
  nonces_.push_back(*nonce);
  // The newest is the least likely to have expired.
  if (nonces_.size() > most_nonces) nonces_.pop_front();
}

Fault AcmeClient::refused(const http::HttpMessage& answer) {
  const Problem problem = problem_of(answer.status, answer.media_type(), answer.body);
  refusal_ = {problem.type, answer.status, retry_after_of(answer)};
  Fault fault = problem.fault(subject());
  if (refusal_.retry_after_s) fault.cause += "; it asks to come back in " + std::to_string(*refusal_.retry_after_s) + " s";
  return fault;
}

Outcome<> AcmeClient::check_json(const http::HttpMessage& answer) const {
  const std::string type = answer.media_type();
  if (answer.status >= 200 && answer.status < 300 && type.find("json") != std::string::npos) return Done{};
  const std::string got = "HTTP " + std::to_string(answer.status) + " with " + (type.empty() ? "no content type" : shown(type, 60));
  return fault(FaultCode::invalid, "its answer is " + got + ", not JSON", "check the directory URL, and that no proxy stands between");
}

asio::awaitable<Outcome<>> AcmeClient::open() {
  refusal_ = {};
  http::HttpRequest request;
  request.url = options_.directory_url;
  const auto answer = co_await https_.ask(request);
  if (!answer) co_return fault(answer.fault().code, answer.fault().text(), answer.fault().remedy.empty() ? "check the directory URL" : "");
  if (answer->status >= 400) co_return refused(*answer);
  if (const auto checked = check_json(*answer); !checked) co_return checked.fault();
  auto read = read_directory(subject(), answer->body);
  if (!read) co_return read.fault();
  directory_ = std::move(*read);
  co_return Done{};
}

asio::awaitable<Outcome<std::string>> AcmeClient::take_nonce() {
  if (nonces_.empty()) {
    http::HttpRequest request;
    request.method = "HEAD";
    request.url = directory_.new_nonce;
    const auto answer = co_await https_.ask(request);
    if (!answer) co_return fault(answer.fault().code, answer.fault().text(), "");
    keep_nonce(*answer);
    if (answer->status >= 400) co_return refused(*answer);
    if (nonces_.empty()) co_return fault(FaultCode::invalid, "it gives no usable nonce", "check the directory URL, and that no proxy stands between");
  }
  std::string nonce = std::move(nonces_.back());
  nonces_.pop_back();
  co_return nonce;
}

asio::awaitable<Outcome<http::HttpMessage>> AcmeClient::post(std::string url, std::string payload, Signer signer) {
  refusal_ = {};
  std::optional<Fault> last;
  for (unsigned attempt = 0; attempt < options_.nonce_tries; ++attempt) {
    auto nonce = co_await take_nonce();
    if (!nonce) co_return nonce.fault();
    JwsHeader header;
    header.url = url;
    header.nonce = std::move(*nonce);
    if (signer == Signer::account) header.account_url = account_url_;
    auto body = sign_jws(key_, header, payload);
    if (!body) co_return body.fault();
    http::HttpRequest request;
    request.method = "POST";
    request.url = url;
    request.content_type = "application/jose+json";
    request.body = std::move(*body);
    auto answer = co_await https_.ask(request);
    if (!answer) co_return fault(answer.fault().code, answer.fault().text(), "");
    keep_nonce(*answer);
    if (answer->status < 300) {
      refusal_ = {};
      co_return answer;
    }
    last = answer->status < 400 ? fault(FaultCode::invalid, "it redirects a signed request, which no client may follow", "check the directory URL") : refused(*answer);
    if (refusal_.type != "badNonce") co_return *last;
  }
  last->cause = "it refused " + std::to_string(options_.nonce_tries) + " nonces in a row; " + last->cause;
  co_return *last;
}

asio::awaitable<void> AcmeClient::pause(const http::HttpMessage& answer, std::chrono::milliseconds& delay) {
  const auto wanted_s = retry_after_of(answer);
  const std::chrono::milliseconds wanted = wanted_s ? std::chrono::milliseconds(*wanted_s * 1000) : delay;
  asio::steady_timer timer(engine_.context(), std::clamp(wanted, options_.poll_min, options_.poll_max));
  delay = std::min(delay * 2, options_.poll_max);
  co_await timer.async_wait(as_result);
}

asio::awaitable<Outcome<>> AcmeClient::register_account(AccountWish wish) {
  if (directory_.external_account_required && wish.external == nullptr) {
    co_return fault(FaultCode::refused, "it makes accounts only for its customers (external account binding)", "get a key ID and an HMAC key from it and configure them as external account");
  }
  if (!directory_.terms_of_service.empty() && !wish.agree_to_terms) {
    co_return fault(FaultCode::refused, "it makes accounts only for who agrees to its terms: " + directory_.terms_of_service, "read them, then say that you agree: sallyport acme authority add with --agree-to-terms");
  }
  std::string payload = "{\"contact\":" + list_text(wish.contacts);
  if (wish.agree_to_terms) payload += ",\"termsOfServiceAgreed\":true";
  if (wish.external != nullptr) {
    const auto binding = bind_external_account(key_, directory_.new_account, wish.external->key_id, wish.external->hmac_key.reveal());
    if (!binding) co_return fault(binding.fault().code, binding.fault().text(), "");
    payload += ",\"externalAccountBinding\":" + *binding;
  }
  payload += "}";
  const std::string url = directory_.new_account;
  const auto answer = co_await post(url, payload, Signer::key);
  if (!answer) co_return answer.fault();
  const std::string* location = answer->find("location");
  const auto base = http::parse_https_url(url);
  const auto account = location == nullptr || !base ? Outcome<std::string>(Fault{FaultCode::invalid, "", "is missing", ""}) : http::resolve_url(*base, *location);
  if (!account) co_return fault(FaultCode::invalid, "it made an account but names no URL for it", "report it to the authority");
  account_url_ = *account;
  co_return Done{};
}

asio::awaitable<Outcome<>> AcmeClient::change_key(AccountKey next) {
  const std::string url = directory_.key_change;
  if (url.empty()) co_return fault(FaultCode::missing, "it offers no change of account keys", "make a new account instead");
  JwsHeader header;
  header.url = url;
  const std::string change = "{\"account\":" + json_string(account_url_) + ",\"oldKey\":" + key_.jwk() + "}";
  const auto inner = sign_jws(next, header, change);
  if (!inner) co_return inner.fault();
  const std::string payload = *inner;
  const auto answer = co_await post(url, payload, Signer::account);
  if (!answer) co_return answer.fault();
  key_ = std::move(next);
  co_return Done{};
}

}  // namespace sallyport::acme
