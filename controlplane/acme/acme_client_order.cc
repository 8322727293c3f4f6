// SPDX-License-Identifier: Apache-2.0
// The order's side of AcmeClient, from the order to the chain, with what comes after it: renewal information and revocation.
#include <algorithm>

#include "controlplane/acme/acme_client.h"
#include "controlplane/acme/jws.h"

namespace sallyport::acme {
namespace {

namespace asio = boost::asio;
using Clock = std::chrono::steady_clock;

constexpr size_t most_alternates = 8;
constexpr const char* chain_type = "application/pem-certificate-chain";

std::string order_payload(const OrderWish& wish) {
  std::string identifiers;
  for (const std::string& name : wish.names) identifiers += (identifiers.empty() ? "" : ",") + (R"({"type":"dns","value":)" + json_string(name) + "}");
  std::string payload = "{\"identifiers\":[" + identifiers + "]";
  if (!wish.replaces.empty()) payload += ",\"replaces\":" + json_string(wish.replaces);
  if (!wish.profile.empty()) payload += ",\"profile\":" + json_string(wish.profile);
  return payload + "}";
}

// RFC 8288: <URL>; rel="alternate". A URL never holds '<' or '>'.
std::vector<std::string> alternates_of(const http::HttpMessage& answer, const http::HttpUrl& base) {
  std::vector<std::string> urls;
  for (const auto& [name, value] : answer.fields) {
    if (name != "link") continue;
    size_t at = 0;
    while (urls.size() < most_alternates && (at = value.find('<', at)) != std::string::npos) {
      const size_t end = value.find('>', at);
      if (end == std::string::npos) break;
      const std::string parameters = value.substr(end + 1, value.find('<', end) - end - 1);
      const auto url = http::resolve_url(base, value.substr(at + 1, end - at - 1));
      if (url && parameters.find("alternate") != std::string::npos) urls.push_back(*url);
      at = end;
    }
  }
  return urls;
}

bool is_undecided(ResourceStatus status) { return status == ResourceStatus::pending || status == ResourceStatus::processing; }

const Problem* error_of(const Authorization& authorization) {
  for (const Challenge& challenge : authorization.challenges) {
    if (challenge.error) return &*challenge.error;
  }
  return nullptr;
}

}  // namespace

asio::awaitable<Outcome<PlacedOrder>> AcmeClient::place_order(OrderWish wish) {
  if (directory_.renewal_info.empty()) wish.replaces.clear();
  if (!wish.profile.empty() && std::find(directory_.profiles.begin(), directory_.profiles.end(), wish.profile) == directory_.profiles.end()) {
    co_return fault(FaultCode::missing, "it has no profile \"" + wish.profile + "\"", "choose one of those its directory lists, or none");
  }
  const std::string url = directory_.new_order;
  std::string payload = order_payload(wish);
  auto answer = co_await post(url, payload, Signer::account);
  // RFC 9773 5: two nodes may have renewed the same one, and either is welcome to.
  if (!answer && !wish.replaces.empty() && (refusal_.type == "alreadyReplaced" || refusal_.status == 404 || refusal_.status == 409)) {
    wish.replaces.clear();
    payload = order_payload(wish);
    answer = co_await post(url, payload, Signer::account);
  }
  if (!answer) co_return answer.fault();
  if (const auto checked = check_json(*answer); !checked) co_return checked.fault();
  auto order = read_order(subject(), answer->body);
  if (!order) co_return order.fault();
  const std::string* location = answer->find("location");
  const auto base = http::parse_https_url(url);
  const auto order_url = location == nullptr || !base ? Outcome<std::string>(Fault{FaultCode::invalid, "", "is missing", ""}) : http::resolve_url(*base, *location);
  if (!order_url) co_return fault(FaultCode::invalid, "it took the order but names no URL for it", "report it to the authority");
  co_return PlacedOrder{*order_url, std::move(*order)};
}

asio::awaitable<Outcome<Authorization>> AcmeClient::authorization(std::string url) {
  const std::string nothing;
  const auto answer = co_await post(url, nothing, Signer::account);
  if (!answer) co_return answer.fault();
  if (const auto checked = check_json(*answer); !checked) co_return checked.fault();
  co_return read_authorization(subject(), answer->body);
}

asio::awaitable<Outcome<>> AcmeClient::answer_challenge(std::string url) {
  const std::string ready = "{}";
  const auto answer = co_await post(url, ready, Signer::account);
  if (!answer) co_return answer.fault();
  co_return Done{};
}

asio::awaitable<Outcome<Authorization>> AcmeClient::await_authorization(std::string url) {
  const auto give_up = Clock::now() + options_.patience;
  const std::string nothing;
  std::chrono::milliseconds delay = options_.poll_min;
  for (;;) {
    const auto answer = co_await post(url, nothing, Signer::account);
    if (!answer) co_return answer.fault();
    if (const auto checked = check_json(*answer); !checked) co_return checked.fault();
    auto read = read_authorization(subject(), answer->body);
    if (!read || read->status == ResourceStatus::valid) co_return read;
    if (!is_undecided(read->status)) {
      const Problem* error = error_of(*read);
      if (error != nullptr) refusal_.type = error->type;
      const std::string about = subject() + ": validation of " + read->domain;
      co_return error != nullptr ? error->fault(about) : Fault{FaultCode::refused, about, std::string("has become ") + name_of(read->status) + ", and it does not say why", "ask the authority"};
    }
    if (Clock::now() >= give_up) co_return fault(FaultCode::timeout, "validation of " + read->domain + " took longer than " + std::to_string(options_.patience.count() / 1000) + " s", "wait; it is tried again by itself");
    co_await pause(*answer, delay);
  }
}

asio::awaitable<Outcome<Order>> AcmeClient::await_order(std::string url) {
  const auto give_up = Clock::now() + options_.patience;
  const std::string nothing;
  std::chrono::milliseconds delay = options_.poll_min;
  for (;;) {
    const auto answer = co_await post(url, nothing, Signer::account);
    if (!answer) co_return answer.fault();
    if (const auto checked = check_json(*answer); !checked) co_return checked.fault();
    auto read = read_order(subject(), answer->body);
    if (!read) co_return read.fault();
    if (read->status == ResourceStatus::invalid) {
      if (read->error) refusal_.type = read->error->type;
      const std::string about = subject() + ": order";
      co_return read->error ? read->error->fault(about) : Fault{FaultCode::refused, about, "has become invalid, and it does not say why", "ask the authority"};
    }
    if (!is_undecided(read->status)) co_return read;
    if (Clock::now() >= give_up) co_return fault(FaultCode::timeout, "the order took longer than " + std::to_string(options_.patience.count() / 1000) + " s", "wait; it is tried again by itself");
    co_await pause(*answer, delay);
  }
}

asio::awaitable<Outcome<Order>> AcmeClient::finalize(std::string finalize_url, std::string request_der) {
  const std::string payload = "{\"csr\":\"" + base64url(request_der) + "\"}";
  const auto answer = co_await post(finalize_url, payload, Signer::account);
  if (!answer) co_return answer.fault();
  if (const auto checked = check_json(*answer); !checked) co_return checked.fault();
  co_return read_order(subject(), answer->body);
}

asio::awaitable<Outcome<CertificateChain>> AcmeClient::fetch_chain(std::string url, std::vector<std::string>& alternates) {
  const std::string nothing;
  const auto answer = co_await post(url, nothing, Signer::account);
  if (!answer) co_return answer.fault();
  if (answer->media_type() != chain_type) {
    co_return fault(FaultCode::invalid, "its certificate comes as \"" + shown(answer->media_type(), 60) + "\", not as " + chain_type, "report it to the authority");
  }
  if (const auto base = http::parse_https_url(url)) alternates = alternates_of(*answer, *base);
  auto chain = CertificateChain::read(answer->body);
  if (!chain) co_return fault(chain.fault().code, chain.fault().text(), "");
  co_return chain;
}

asio::awaitable<Outcome<CertificateChain>> AcmeClient::download(std::string certificate_url, std::string preferred_root) {
  std::vector<std::string> alternates;
  auto first = co_await fetch_chain(certificate_url, alternates);
  if (!first || preferred_root.empty() || first->root_name() == preferred_root) co_return first;
  for (const std::string& url : std::vector<std::string>(alternates)) {
    std::vector<std::string> ignored;
    auto other = co_await fetch_chain(url, ignored);
    if (other && other->root_name() == preferred_root) co_return other;
  }
  co_return first;
}

asio::awaitable<Outcome<>> AcmeClient::revoke(std::string certificate_der, int reason) {
  const std::string url = directory_.revoke_certificate;
  if (url.empty()) co_return fault(FaultCode::missing, "it offers no revocation by ACME", "revoke the certificate on its web page");
  std::string payload = "{\"certificate\":\"" + base64url(certificate_der) + "\"";
  if (reason != 0) payload += ",\"reason\":" + std::to_string(reason);
  payload += "}";
  const auto answer = co_await post(url, payload, Signer::account);
  if (!answer) co_return answer.fault();
  co_return Done{};
}

asio::awaitable<Outcome<RenewalAdvice>> AcmeClient::renewal_info(std::string renewal_id) {
  refusal_ = {};
  if (directory_.renewal_info.empty() || renewal_id.empty()) co_return fault(FaultCode::missing, "it offers no renewal information for this certificate", "nothing to do: it is renewed at two thirds of its life");
  http::HttpRequest request;
  request.url = directory_.renewal_info + (directory_.renewal_info.back() == '/' ? "" : "/") + renewal_id;
  const auto answer = co_await https_.ask(request);
  if (!answer) co_return fault(answer.fault().code, answer.fault().text(), "");
  if (answer->status >= 400) co_return refused(*answer);
  if (const auto checked = check_json(*answer); !checked) co_return checked.fault();
  auto read = read_renewal_info(subject(), answer->body);
  if (!read) co_return read.fault();
  co_return RenewalAdvice{std::move(*read), retry_after_of(*answer)};
}

}  // namespace sallyport::acme
