// SPDX-License-Identifier: Apache-2.0
#pragma once
// IssuingAuthority: an authority of a node's own, for one use (X.509 v3, ECDSA P-256, RFC 5280): E's for the traversal link vouches for E itself and
// for the C nodes that joined, C's for onboarding vouches for phones. Pure but for OpenSSL's objects and random numbers.

#include <cstdint>
#include <string>
#include <vector>

#include "controlplane/certificates/intake.h"

namespace sallyport::certificates {

inline constexpr std::int64_t issue_clock_slack_s = 300;  // what is issued is valid so much earlier, since clocks differ

struct IssuingAuthority {
  CertificatePtr certificate;
  KeyPtr key;
};

// Valid for ten years; its name carries random digits, so that the authorities of two nodes of one name differ. use: "pair".
Outcome<IssuingAuthority> make_issuing_authority(const std::string& use, const std::string& node_fqdn, std::int64_t now_s);

// A node gets what its part needs: with both, a C node could pass for E before another.
enum class IssuedFor : std::uint8_t { server, client };

struct IssueWish {
  IssuedFor part = IssuedFor::client;
  std::vector<std::string> names;  // host names and IP addresses, into the SAN; the first is the common name too
  std::int64_t now_s = 0;
  std::uint32_t lifetime_s = 0;
};

// Extended key usage by the part: serverAuth for E, clientAuth for C (A18).
Outcome<CertificatePtr> issue(const IssuingAuthority& authority, EVP_PKEY* subject_key, const IssueWish& wish);

// The public key of a PKCS#10 request whose signature holds: who asks has the private one. Names in it do not count.
Outcome<KeyPtr> requested_key(const std::string& request_pem, const std::string& subject, const std::string& remedy = "run the same version of Sallyport on both nodes");

}  // namespace sallyport::certificates
