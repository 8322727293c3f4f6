// SPDX-License-Identifier: Apache-2.0
#pragma once
// watch_certificates(): what an operator must know of this node's certificates before others notice (requirements B13, B14, B25, B27,
// C14): alarms that stay until their cause is gone. Pure; any thread.

#include <string>
#include <vector>

#include "controlplane/certificates/certificate_set.h"
#include "controlplane/certificates/needed_names.h"

namespace sallyport::certificates {

// A certificate that serves, from the store or from a file of the node file. Those whose validity needs no word may be left out.
bool has_validity_to_watch(std::int64_t not_before_s, std::int64_t not_after_s, std::int64_t now_s);
struct ServingCertificate {
  std::string slot;  // "server", "domain/example.com"
  std::string serial;
  std::int64_t not_before_s = 0, not_after_s = 0;
};

struct UncoveredName {
  std::string name;
  std::uint64_t asked = 0;
};

// What an authority said of a certificate of ours, or why it said nothing.
struct RevocationNews {
  std::string slot, serial;
  std::string url;  // who was asked
  std::int64_t revoked_s = 0;
  std::string reason;   // the authority's, of a revocation
  std::string problem;  // of the last attempt
};

struct RefusedByClients {
  std::string name;  // empty: none was asked for
  std::size_t sources = 0;
  std::string text, source;
};

struct WatchInput {
  std::vector<ServingCertificate> serving;
  bool is_server_missing = false;   // no platform certificate at all
  std::vector<NeededName> lacking;  // names the server certificate lacks
  std::string server_serial;
  std::vector<std::string> incomplete, unreadable;  // slots
  std::vector<UncoveredName> uncovered;             // in domains of ours
  std::vector<RevocationNews> revoked, unknown, unchecked, without_staple;
  std::vector<RefusedByClients> refused;            // within the last hour
  std::int64_t newest_installed_s = 0;
  std::int64_t now_s = 0;
};

struct CertificateAlarm {
  std::string kind;  // stable: certificate_expired, certificate_expiring, certificate_not_yet_valid, certificate_missing, certificate_drift,
                     // certificate_chain_incomplete, certificate_unreadable, certificate_uncovered_name, certificate_refused, clock_skew,
                     // certificate_revoked, certificate_status_unknown, certificate_staple_missing, revocation_unchecked
  std::string text;
  bool impairs = false;  // clients or peers are refused because of it now
};

// C08: fewer addresses may be a stranger's tests, or one phone with an old list of authorities.
inline constexpr std::size_t refusing_sources = 3;

// C14: the levels at which an expiring certificate is told anew.
inline constexpr int expiry_days[] = {30, 14, 7, 1};

std::vector<CertificateAlarm> watch_certificates(const WatchInput& input);

}  // namespace sallyport::certificates
