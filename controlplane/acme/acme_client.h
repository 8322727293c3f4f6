// SPDX-License-Identifier: Apache-2.0
#pragma once
// AcmeClient: one account at one authority (RFC 8555): the requests of its protocol, with nonces kept and badNonce retried, waiting
// with the authority's Retry-After within bounds, and its problem documents turned into Faults. It decides nothing: acme_order.h does.
// On the engine's thread, one call at a time, cancellable; stores nothing: the key and account_url() are the caller's to keep.

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "controlplane/acme/account_key.h"
#include "controlplane/acme/acme_resource.h"
#include "controlplane/acme/certificate_chain.h"
#include "controlplane/http/http_client.h"
#include "controlplane/store/secret.h"

namespace sallyport::acme {

// What binds a new account to one the authority knows from elsewhere (RFC 8555 7.3.4).
struct ExternalAccount {
  std::string key_id;
  store::Secret hmac_key;  // base64url, as the authority hands it out
};

struct AcmeClientOptions {
  std::string authority;  // its name, in Faults
  std::string directory_url;
  std::shared_ptr<tls::TlsPolicy> tls;
  tls::SocketAddress local;
  std::chrono::milliseconds request_deadline{30000};
  std::chrono::milliseconds poll_min{1000}, poll_max{30000};
  std::chrono::milliseconds patience{300000};  // for a validation, and for a certificate to be made
  unsigned nonce_tries = 20;                   // how often one request is sent when its nonce is refused
};

struct AccountWish {
  std::vector<std::string> contacts;  // "mailto:admin@example.com"
  bool agree_to_terms = true;
  std::shared_ptr<const ExternalAccount> external;
};

struct OrderWish {
  std::vector<std::string> names;  // may begin with "*."
  std::string replaces;            // renewal ID of the certificate it follows (RFC 9773 5); empty: none
  std::string profile;             // empty: the authority's default
};

struct PlacedOrder {
  std::string url;
  Order order;
};

struct RenewalAdvice {
  RenewalInfo info;
  std::optional<int64_t> ask_again_after_s;
};

// What the authority said when it last refused; type empty: nothing, it was not reached.
struct Refusal {
  std::string type;
  unsigned status = 0;
  std::optional<int64_t> retry_after_s;
};

class AcmeClient {
 public:
  AcmeClient(tls::StreamEngine& engine, dns::Resolver& resolver, AcmeClientOptions options, AccountKey key, std::string account_url = {});

  // Reads the directory; the first call of all.
  boost::asio::awaitable<Outcome<>> open();
  const Directory& directory() const { return directory_; }
  const AccountKey& key() const { return key_; }
  const std::string& account_url() const { return account_url_; }
  const Refusal& last_refusal() const { return refusal_; }

  // Makes the account, or finds the one that has this key.
  boost::asio::awaitable<Outcome<>> register_account(AccountWish wish);
  // From success on the account has the new key, and this client uses it. After a Fault that left it open whether the authority took
  // it, register_account() with either key tells.
  boost::asio::awaitable<Outcome<>> change_key(AccountKey next);

  boost::asio::awaitable<Outcome<PlacedOrder>> place_order(OrderWish wish);
  boost::asio::awaitable<Outcome<Authorization>> authorization(std::string url);
  // Tells the authority to look.
  boost::asio::awaitable<Outcome<>> answer_challenge(std::string url);
  // Until it is decided: valid, or a Fault with the authority's words.
  boost::asio::awaitable<Outcome<Authorization>> await_authorization(std::string url);
  // Until the order is neither pending nor processing; invalid is a Fault.
  boost::asio::awaitable<Outcome<Order>> await_order(std::string url);
  boost::asio::awaitable<Outcome<Order>> finalize(std::string finalize_url, std::string request_der);
  // The chain whose root has the preferred common name if the authority offers one, else its first.
  boost::asio::awaitable<Outcome<CertificateChain>> download(std::string certificate_url, std::string preferred_root);
  // reason: RFC 5280 5.3.1; 0: none given.
  boost::asio::awaitable<Outcome<>> revoke(std::string certificate_der, int reason);
  // RFC 9773; Fault missing: the authority offers none.
  boost::asio::awaitable<Outcome<RenewalAdvice>> renewal_info(std::string renewal_id);

 private:
  enum class Signer : uint8_t { account, key };
  std::string subject() const { return "authority " + options_.authority; }
  Fault fault(FaultCode code, std::string cause, std::string remedy) const;
  boost::asio::awaitable<Outcome<http::HttpMessage>> post(std::string url, std::string payload, Signer signer);
  boost::asio::awaitable<Outcome<std::string>> take_nonce();
  // One chain with what else the authority offers.
  boost::asio::awaitable<Outcome<CertificateChain>> fetch_chain(std::string url, std::vector<std::string>& alternates);
  boost::asio::awaitable<void> pause(const http::HttpMessage& answer, std::chrono::milliseconds& delay);
  void keep_nonce(const http::HttpMessage& answer);
  Fault refused(const http::HttpMessage& answer);
  Outcome<> check_json(const http::HttpMessage& answer) const;
  static std::optional<int64_t> retry_after_of(const http::HttpMessage& answer);

  tls::StreamEngine& engine_;
  http::HttpClient https_;
  AcmeClientOptions options_;
  AccountKey key_;
  std::string account_url_;
  Directory directory_;
  std::deque<std::string> nonces_;
  Refusal refusal_;
};

}  // namespace sallyport::acme
