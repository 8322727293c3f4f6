// SPDX-License-Identifier: Apache-2.0
#pragma once
// The verdict of a certificate revocation list (RFC 5280 5, 6.3) on certificates of one issuer that name it in the same distribution
// point. The list must be the issuer's own, signed by it, current, and for these certificates by its scope. What comes is hostile.

#include <openssl/types.h>

#include <boost/asio/awaitable.hpp>
#include <memory>
#include <string>
#include <vector>

#include "controlplane/revocation/revocation_finding.h"
#include "dataplane/abi/fault.h"

namespace sallyport::revocation {

inline constexpr std::size_t max_crl_bytes = 8 << 20;

struct CrlQuestion {
  std::string list;  // DER
  std::shared_ptr<X509> certificate, issuer;  // one of them, by which scope and signature are judged
  std::vector<std::string> serials;           // of all of them, hex
  std::int64_t now_s = 0;
};

// A finding for each serial, in their order.
Outcome<std::vector<RevocationFinding>> judge_crl(const CrlQuestion& question);
// On a thread of its own, resuming on the caller's: a list of megabytes takes longer to read than a call may wait.
boost::asio::awaitable<Outcome<std::vector<RevocationFinding>>> judge_crl_aside(CrlQuestion question);

}  // namespace sallyport::revocation
