// SPDX-License-Identifier: Apache-2.0
#pragma once
// PairAuthority: E's own authority for the traversal link and nothing else (X.509 v3, ECDSA P-256, RFC 5280): it vouches for E itself and for the C
// nodes that joined, with certificates of a few days that are renewed by themselves. Pure but for OpenSSL's objects and random numbers.

#include <cstdint>
#include <string>
#include <vector>

#include "controlplane/certificates/intake.h"

namespace sallyport::certificates {

inline constexpr std::int64_t pair_clock_slack_s = 300;  // what is issued is valid so much earlier, since clocks differ

struct PairAuthority {
  CertificatePtr certificate;
  KeyPtr key;
};

// Valid for ten years; its name carries random digits, so that the authorities of two nodes of one name differ.
Outcome<PairAuthority> make_pair_authority(const std::string& node_fqdn, std::int64_t now_s);

// A node gets what its part needs: with both, a C node could pass for E before another.
enum class PairPart : std::uint8_t { server, client };

struct PairIssue {
  PairPart part = PairPart::client;
  std::vector<std::string> names;  // host names and IP addresses, into the SAN; the first is the common name too
  std::int64_t now_s = 0;
  std::uint32_t lifetime_s = 0;
};

// Extended key usage by the part: serverAuth for E, clientAuth for C (A18).
Outcome<CertificatePtr> issue(const PairAuthority& authority, EVP_PKEY* subject_key, const PairIssue& wish);

// The public key of a PKCS#10 request whose signature holds: who asks has the private one. Names in it do not count.
Outcome<KeyPtr> requested_key(const std::string& request_pem, const std::string& subject);

}  // namespace sallyport::certificates
