// SPDX-License-Identifier: Apache-2.0
#include "controlplane/certificates/certificate_watch.h"

#include <algorithm>

#include "controlplane/tls/alert_text.h"

namespace sallyport::certificates {
namespace {

constexpr std::int64_t day_s = 86400;
constexpr std::int64_t tolerated_skew_s = 300;
constexpr std::size_t told_at_once = 5;

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
