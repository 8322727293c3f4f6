// SPDX-License-Identifier: Apache-2.0
#pragma once
// PeerCertificate: what a certificate says, as text; names of it are its SAN entries only, the CN never counts (RFC 5922, RFC 9525).
// match_names() judges whom a certificate is for: SAN URI "sip:domain" first, then DNS (RFC 5922 7.2), iPAddress for IP peers.
// Wildcards count only when the protocol allows them, and then as one whole left label. Pure functions; any thread.

#include <openssl/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::tls {

enum class NameKind : uint8_t { dns, uri, ip, email, xmpp_address, srv };

struct CertificateName {
  NameKind kind;
  std::string value;  // DNS in lower case, IP as text
  bool operator==(const CertificateName&) const = default;
};

struct PeerCertificate {
  std::string subject;      // RFC 2253 order, for display only
  std::string common_name;  // for display only: "the name stands in the CN, which does not count"
  std::string issuer;
  std::string serial;       // hex, upper case
  std::string fingerprint_sha256;
  int64_t not_before_s = 0;  // Unix time
  int64_t not_after_s = 0;
  std::vector<CertificateName> names;
  bool has_extended_key_usage = false;
  bool allows_client_auth = true;  // also true without any EKU
  bool allows_server_auth = true;

  std::string names_text() const;  // "DNS:a.example, IP:192.0.2.1" or "none"
};

// A name that a client asked for, as it may be shown to people: in lower case, without a final dot; empty: it cannot be a host name.
std::string shown_host_name(std::string_view sent);

PeerCertificate describe_certificate(X509* certificate);
std::string fingerprint_of(X509* certificate);  // SHA-256, hex, lower case
std::string key_digest(X509* certificate);  // SHA-256 of the SubjectPublicKeyInfo, hex, lower case; empty: it has none

enum class WildcardRule : uint8_t { refuse, one_label };

struct NameVerdict {
  bool matched = false;
  CertificateName by;       // the SAN entry that matched
  std::string text;         // when not matched: wanted, present, and the remedy
};

// wanted: a host name, a SIP domain, an IP address as text, or "sip:domain". Comparison ignores case and a trailing dot.
NameVerdict match_name(const PeerCertificate& certificate, std::string_view wanted, WildcardRule wildcards);
// True when any of wanted matches; the text of a failure lists all of them.
NameVerdict match_names(const PeerCertificate& certificate, const std::vector<std::string>& wanted, WildcardRule wildcards);

}  // namespace sallyport::tls
