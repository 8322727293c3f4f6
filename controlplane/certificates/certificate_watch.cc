// SPDX-License-Identifier: Apache-2.0
#include "controlplane/certificates/certificate_watch.h"

#include <algorithm>

#include "controlplane/tls/alert_text.h"

namespace sallyport::certificates {
namespace {

constexpr std::int64_t day_s = 86400;
constexpr std::int64_t tolerated_skew_s = 300;
constexpr std::size_t told_at_once = 5, told_one_by_one = 20;

// "a, b and 3 more"
template <class List, class Text>
std::string some_of(const List& list, Text text) {
  std::string line;
  for (std::size_t i = 0; i < std::min(list.size(), told_at_once); ++i) line += (i == 0 ? "" : ", ") + text(list[i]);
  return list.size() > told_at_once ? line + " and " + std::to_string(list.size() - told_at_once) + " more" : line;
}

void watch_validity(const ServingCertificate& each, std::int64_t now_s, std::vector<CertificateAlarm>& alarms) {
  const std::string who = each.slot + ": certificate " + each.serial;
  if (each.not_before_s > now_s) {
    alarms.push_back({"certificate_not_yet_valid", who + " is not valid before " + tls::date_text(each.not_before_s) + "; correct this node's clock or have it issued anew", true});
    return;
  }
  if (!has_validity_to_watch(each.not_before_s, each.not_after_s, now_s)) return;
  const std::int64_t left_s = each.not_after_s - now_s;
  if (left_s < 0) {
    alarms.push_back({"certificate_expired", who + " expired on " + tls::date_text(each.not_after_s) + "; clients refuse it: install a new one", true});
    return;
  }
  int level = expiry_days[0];
  for (const int days : expiry_days)
    if (left_s <= days * day_s) level = days;
  alarms.push_back({"certificate_expiring", who + " expires on " + tls::date_text(each.not_after_s) + ", within " + std::to_string(level) + (level == 1 ? " day" : " days") + "; renew it: sallyport cert request " + each.slot});
}

// Each by itself, for each wants to be replaced; of very many, the rest together.
void watch_revoked(const std::vector<RevocationNews>& revoked, std::vector<CertificateAlarm>& alarms) {
  for (std::size_t at = 0; at < std::min(revoked.size(), told_one_by_one); ++at) {
    const RevocationNews& each = revoked[at];
    alarms.push_back({"certificate_revoked", each.slot + ": certificate " + each.serial + " was revoked by its authority on " + tls::date_text(each.revoked_s) + (each.reason.empty() ? ", without a reason" : ", reason " + each.reason) + ", as " + each.url + " tells; clients that check refuse it. Request a new one with a new key: sallyport cert request " + each.slot, true});
  }
  if (revoked.size() > told_one_by_one) alarms.push_back({"certificate_revoked", std::to_string(revoked.size() - told_one_by_one) + " more certificates were revoked: sallyport cert list", true});
}

void watch_status(const WatchInput& input, std::vector<CertificateAlarm>& alarms) {
  watch_revoked(input.revoked, alarms);
  const auto who = [](const RevocationNews& each) { return each.slot + " (" + each.serial + ", " + each.url + ")"; };
  if (!input.unknown.empty()) alarms.push_back({"certificate_status_unknown", "the authority's responder does not know " + some_of(input.unknown, who) + "; if it is not a new certificate, ask the authority, or request another"});
  if (!input.without_staple.empty()) {
    alarms.push_back({"certificate_staple_missing", "clients refuse " + some_of(input.without_staple, [](const RevocationNews& each) { return each.slot + " (" + (each.problem.empty() ? each.serial : each.problem) + ")"; }) + ", which must be stapled (RFC 7633) and for which there is no OCSP answer; let this node reach the responder, or have it issued without that extension", true});
  }
  if (!input.unchecked.empty()) {
    alarms.push_back({"revocation_unchecked", "whether it was revoked is not known of " + some_of(input.unchecked, [](const RevocationNews& each) { return each.slot + " (" + each.problem + ")"; }) + "; let this node reach the authority by HTTP, or switch it off: certificates.revocation"});
  }
}

}  // namespace

bool has_validity_to_watch(std::int64_t not_before_s, std::int64_t not_after_s, std::int64_t now_s) { return not_before_s > now_s || not_after_s - now_s <= expiry_days[0] * day_s; }

std::vector<CertificateAlarm> watch_certificates(const WatchInput& input) {
  std::vector<CertificateAlarm> alarms;
  if (input.is_server_missing) alarms.push_back({"certificate_missing", "there is no server certificate; handshakes for names without a domain certificate are refused: sallyport cert request server", true});
  for (const ServingCertificate& each : input.serving) watch_validity(each, input.now_s, alarms);
  if (!input.lacking.empty()) {
    alarms.push_back({"certificate_drift", "server: certificate " + input.server_serial + " lacks " + some_of(input.lacking, [](const NeededName& each) { return text_of(each.name) + " (" + each.reason + ")"; }) + "; renew it: sallyport cert request server"});
  }
  for (const std::string& slot : input.incomplete) alarms.push_back({"certificate_chain_incomplete", slot + ": its chain ends at an authority that is neither in it nor trusted here; upload it with its intermediates"});
  for (const std::string& slot : input.unreadable) alarms.push_back({"certificate_unreadable", slot + ": certificate and key in the store do not belong together or cannot be opened; upload both again", true});
  if (!input.uncovered.empty()) {
    alarms.push_back({"certificate_uncovered_name", "clients ask for " + some_of(input.uncovered, [](const UncoveredName& each) { return each.name + " (" + std::to_string(each.asked) + " times)"; }) + ", which no certificate covers; add the name to a certificate"});
  }
  watch_status(input, alarms);
  for (const RefusedByClients& each : input.refused) {
    if (each.sources < refusing_sources) continue;
    alarms.push_back({"certificate_refused", "clients at " + std::to_string(each.sources) + " addresses or more refused the certificate for " + (each.name.empty() ? "connections without a name" : each.name) + " within the last hour, the latest at " + each.source + ": " + each.text + "; see sallyport cert refusals"});
    break;  // the most refused is enough: the rest is in the list
  }
  if (input.newest_installed_s > input.now_s + tolerated_skew_s) {
    alarms.push_back({"clock_skew", "this node's clock stands before the time at which a certificate was installed, " + tls::date_text(input.newest_installed_s) + "; set it: validity is judged by it"});
  }
  return alarms;
}

}  // namespace sallyport::certificates
