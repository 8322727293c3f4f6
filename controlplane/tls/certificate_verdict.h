// SPDX-License-Identifier: Apache-2.0
#pragma once
// judge_peer(): whether a presented certificate may pass: chain to a trusted CA, validity, key usage, then SAN. First failure wins.
// Fills HandshakeFailure with words for the operator, and x509_error for the alert OpenSSL sends. Any thread; no state.

#include <openssl/types.h>

#include <optional>
#include <string>
#include <vector>

#include "controlplane/tls/tls_policy.h"

namespace sallyport::tls {

struct PeerQuestion {
  X509* leaf = nullptr;
  stack_st_X509* presented_chain = nullptr;
  X509_STORE* trust = nullptr;
  std::string trust_origin;  // its files, for the remedy
  bool peer_is_server = true;
  bool require_eku = true;
  int security_level = 2;
  WildcardRule wildcards = WildcardRule::refuse;
  const std::vector<std::string>* names = nullptr;  // empty: any name
  bool is_withdrawn = false;  // its key was: refused, whoever vouches for it
};

struct PeerVerdict {
  std::optional<HandshakeFailure> failure;  // none: may pass
  int x509_error = 0;
  std::string authority;  // may pass: SHA-256 fingerprint of the trusted certificate that its chain ends at
};

PeerVerdict judge_peer(const PeerQuestion& question);

}  // namespace sallyport::tls
