// SPDX-License-Identifier: Apache-2.0
#pragma once
// ChallengeResponder: the certificates a TLS server presents to whoever offers the protocol "acme-tls/1" and no other (RFC 8737), by
// name. A policy that is given one answers such handshakes from it and from nothing else, and its listener closes them afterwards.
// Shared by the policies of all threads; every call takes one short lock.

#include <openssl/types.h>

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

namespace sallyport::tls {

inline constexpr std::string_view challenge_protocol = "acme-tls/1";

class ChallengeResponder {
 public:
  struct Answer {
    std::shared_ptr<X509> certificate;
    std::shared_ptr<EVP_PKEY> key;
  };

  // The newest for a name counts: an authority looks once an order.
  void present(const std::string& name, Answer answer);
  void withdraw(const std::string& name);
  std::optional<Answer> find(std::string_view sni) const;

 private:
  mutable std::mutex mutex_;
  std::map<std::string, Answer, std::less<>> answers_;  // lower case
};

}  // namespace sallyport::tls
