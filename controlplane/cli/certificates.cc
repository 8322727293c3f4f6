// SPDX-License-Identifier: Apache-2.0
#include "controlplane/cli/certificates.h"

#include <openssl/crypto.h>

#include <boost/json.hpp>
#include <functional>
#include <iostream>

#include "controlplane/cli/reply.h"
#include "controlplane/cli/api_client.h"
#include "controlplane/cli/dialogue.h"
#include "controlplane/cli/json_text.h"
#include "controlplane/cli/reply.h"
#include "controlplane/cli/show.h"
#include "controlplane/cli/text_table.h"

namespace sallyport::cli {
namespace {

namespace json = boost::json;

std::string listed(const json::value& list, const std::string& indent) {
  std::string text;
  for (const json::value& each : items(list)) text += indent + printable(text_of(each)) + "\n";
  return text;
}

std::string day_of(const std::string& time) { return time.substr(0, 10); }

// "good, stapled"; empty: the certificate names nobody who tells.
std::string revocation_of(const json::value& certificate) {
  const json::value& revocation = member(certificate, "revocation");
  if (!revocation.is_object()) return {};
  return at(revocation, "state") + (at(revocation, "staple_until").empty() ? "" : ", stapled");
}

std::string show_certificates(const json::value& list) {
  TextTable table({"SLOT", "KEY", "SERIAL", "NOT AFTER", "DAYS", "ORIGIN", "CHAIN", "REVOCATION", "NAMES"});
  for (const json::value& each : items(list)) {
    const json::value& complete = member(each, "chain_complete");
    table.add({at(each, "slot"), at(each, "key"), at(each, "serial"), day_of(at(each, "not_after")), at(each, "days_left"), at(each, "origin"), complete.is_bool() ? (complete.get_bool() ? "complete" : "incomplete") : "", revocation_of(each), at(each, "names")});
  }
  return table.is_empty() ? "no certificates; make a request: sallyport cert request server\n" : table.text();
}

std::string show_certificate(const json::value& list) {
  std::string text;
  for (const json::value& each : items(list)) {
    text += at(each, "slot") + ", " + at(each, "key") + ", installed " + at(each, "installed") + " by " + at(each, "origin") + "\n";
    if (const json::value& revocation = member(each, "revocation"); revocation.is_object()) {
      const std::string age = at(revocation, "staple_age_s");
      text += "  revocation    " + printable(at(revocation, "text")) + "\n" + (age.empty() ? "" : "    staple      " + age + " s old\n");
      if (!at(revocation, "url").empty()) text += "    told by     " + printable(at(revocation, "url")) + (at(revocation, "next_check").empty() ? "" : ", asked again " + at(revocation, "next_check")) + "\n";
    }
    for (const json::value& link : items(member(each, "chain"))) {
      text += "  subject       " + printable(at(link, "subject")) + "\n    issuer      " + printable(at(link, "issuer")) + "\n    serial      " + at(link, "serial") + "\n    SHA-256     " + at(link, "fingerprint_sha256") + "\n    valid       " + at(link, "not_before") + " to " + at(link, "not_after") + "\n";
      if (!items(member(link, "names")).empty()) text += "    names       " + printable(at(link, "names")) + "\n";
    }
  }
  return text;
}

std::string show_installed(const json::value& value) {
  const json::value& installed = member(value, "installed");
  const bool done = installed.is_bool() && installed.get_bool();
  std::string text = (done ? "installed for " : "would be installed for ") + at(value, "slot") + ": " + at(value, "key") + ", serial " + at(value, "serial") + ", until " + day_of(at(value, "not_after")) + "\n";
  text += "  names    " + printable(at(value, "names")) + "\n";
  if (!at(value, "replaces").empty()) text += "  replaces " + at(value, "replaces") + "\n";
  text += "  effect on connections: " + at(value, "effect_on_connections") + "\n";
  for (const json::value& warning : items(member(value, "warnings"))) text += "  warning: " + printable(text_of(warning)) + "\n";
  return text;
}

std::string show_request(const json::value& value) {
  std::string text = "request for " + at(value, "slot") + ": " + at(value, "key") + ", " + at(value, "digest") + ", made " + at(value, "made") + " on " + at(value, "made_on") + "\nAlternative name as it will appear:\n" + listed(member(value, "names"), "  ");
  if (!at(value, "pem").empty()) text += at(value, "pem");
  return text;
}

std::string show_preview(const json::value& value) {
  std::string text = "Alternative name as it will appear:\n";
  const json::array& reasons = items(member(value, "reasons"));
  for (const json::value& name : items(member(value, "names"))) {
    std::string reason;
    for (const json::value& each : reasons) {
      const std::string said = at(each, "name"), shown = text_of(name);
      if (said == shown || "DNS:" + said == shown || "IP:" + said == shown) reason = at(each, "reason");
    }
    text += "  " + printable(text_of(name)) + (reason.empty() ? "" : "   (" + reason + ")") + "\n";
  }
  const json::value& client = member(value, "client_auth");
  return text + "Extended key usage: " + (client.is_bool() && client.get_bool() ? "clientAuth" : "") + (at(value, "server_auth") == "true" ? (client.is_bool() && client.get_bool() ? ", serverAuth" : "serverAuth") : "") + "\n";
}

std::string show_domains(const json::value& list) {
  TextTable table({"DOMAIN", "CERTIFICATES", "NOT AFTER", "ACME", "REQUEST"});
  for (const json::value& each : items(list)) {
    std::string held;
    for (const json::value& one : items(member(each, "certificates"))) held += (held.empty() ? "" : ", ") + at(one, "key") + " " + at(one, "serial") + " (" + at(one, "origin") + ")";
    table.add({at(each, "name"), held.empty() ? "none" : held, day_of(at(each, "not_after")), at(each, "acme"), at(each, "request_open") == "true" ? "open" : ""});
  }
  return table.is_empty() ? "no domains; create one: sallyport domain add example.com\n" : table.text();
}

std::string show_probe(const json::value& list) {
  std::string text;
  for (const json::value& each : items(list)) {
    if (!at(each, "error").empty()) {
      text += "port " + at(each, "port") + ": " + printable(at(each, "error")) + "\n";
      continue;
    }
    text += "port " + at(each, "port") + ", " + at(each, "address") + ", " + at(each, "tls_version") + ": " + (at(each, "trusted") == "yes" ? "trusted" : "not trusted") + "\n";
    for (const json::value& link : items(member(each, "chain")))
      text += "  subject  " + printable(at(link, "subject")) + "\n    issuer   " + printable(at(link, "issuer")) + "\n    serial   " + at(link, "serial") + "\n    SHA-256  " + at(link, "fingerprint_sha256") + "\n    until    " +
              at(link, "not_after") + "\n    names    " + printable(at(link, "names")) + "\n";
    for (const json::value& finding : items(member(each, "findings"))) text += "  ! " + printable(text_of(finding)) + "\n";
  }
  return text + "To trust what is shown, compare its SHA-256 with its owner's, then: sallyport trust probe ... --json, and its pem to sallyport trust add PURPOSE -\n";
}

std::string show_acme(const json::value& value) {
  std::string text;
  TextTable slots({"SLOT", "STATE", "AUTHORITY", "WHAT"});
  for (const json::value& each : items(member(value, "slots"))) slots.add({at(each, "slot"), at(each, "state"), at(each, "authority"), at(each, "text")});
  text += slots.is_empty() ? "no slot is kept by ACME; switch one on: sallyport acme on domain/example.com\n" : slots.text();
  TextTable authorities({"AUTHORITY", "DIRECTORY", "CONTACTS", "ACCOUNT"});
  for (const json::value& each : items(member(value, "authorities"))) authorities.add({at(each, "name"), at(each, "directory_url"), at(each, "contacts"), at(each, "account_url").empty() ? "none yet" : at(each, "account_url")});
  text += authorities.is_empty() ? "no authority; add one: sallyport acme authority add NAME URL\n" : "\n" + authorities.text();
  const json::value& settings = member(value, "settings");
  text += "\nchallenge " + at(settings, "challenge") + ", key " + at(settings, "key");
  if (!at(settings, "dns_server").empty()) text += ", DNS server " + at(settings, "dns_server") + " with key " + at(settings, "dns_key_name");
  if (!at(settings, "dns_hook").empty()) text += ", DNS by " + at(settings, "dns_hook");
  return text + "\n";
}

int turn_acme(const Options& options, bool on) {
  return print(ApiClient(options.endpoint).post("/v1/acme/slots", json::serialize(json::object{{"slot", options.certificate.slot}, {"on", on}})), options, show_acme);
}

std::string show_trust(const json::value& list) {
  TextTable table({"PURPOSE", "SUBJECT", "SERIAL", "NOT AFTER", "FINGERPRINT", "FROM"});
  for (const json::value& each : items(list)) table.add({at(each, "purpose"), at(each, "subject"), at(each, "serial"), day_of(at(each, "not_after")), at(each, "fingerprint_sha256").substr(0, 16), at(each, "source")});
  return table.is_empty() ? "nobody is trusted; add an authority: sallyport trust add traversal ca.pem\n" : table.text();
}

}  // namespace

int run_certificates(const Options& options) { return print(ApiClient(options.endpoint).get("/v1/certificates" + query({{"limit", std::to_string(options.limit)}})), options, show_certificates); }

int run_certificate(const Options& options) {
  const CertificateOptions& wish = options.certificate;
  const auto reply = ApiClient(options.endpoint).get("/v1/certificates" + query({{"slot", wish.slot}, {"family", wish.family}, {"form", wish.form}}));
  return print(reply, options, wish.form.empty() ? std::function<std::string(const json::value&)>(show_certificate) : nullptr);
}

int run_upload(const Options& options) {
  const CertificateOptions& wish = options.certificate;
  json::object body{{"slot", wish.slot}, {"file", wish.certificate_file}, {"dry_run", options.dry_run}};
  std::string text;
  if (!read_file(wish.certificate_file, text)) return complain_unreadable(wish.certificate_file);
  body["certificate"] = text;
  if (!wish.key_file.empty()) {
    if (!read_file(wish.key_file, text)) return complain_unreadable(wish.key_file);
    body["key"] = text;
  }
  if (!wish.passphrase_file.empty()) {
    if (!read_secret(wish.passphrase_file, text)) return complain_unreadable(wish.passphrase_file);
    body["passphrase"] = text;
  }
  OPENSSL_cleanse(text.data(), text.size());
  return print(ApiClient(options.endpoint).post("/v1/certificates", json::serialize(body)), options, show_installed);
}

int run_delete_certificate(const Options& options) {
  const CertificateOptions& wish = options.certificate;
  if (!options.json && !is_confirmed(options, "delete the certificate of " + wish.slot + "?")) return complain("nothing was changed", exit_negative);
  return print(ApiClient(options.endpoint).erase("/v1/certificates" + query({{"slot", wish.slot}, {"family", wish.family}})), options, [&](const json::value&) { return "deleted; effect on connections: none, the next handshake shows what is left\n"; });
}

int run_explain(const Options& options) {
  const CertificateOptions& wish = options.certificate;
  return print(ApiClient(options.endpoint).get("/v1/certificates/explain" + query({{"sni", wish.sni}, {"port", wish.port == 0 ? "" : std::to_string(wish.port)}})), options,
               [](const json::value& value) { return "listener  " + at(value, "listener") + "\nname      " + (at(value, "sni").empty() ? "none (no SNI)" : printable(at(value, "sni"))) + "\n" + at(value, "text") + "\n" + listed(member(value, "revocation"), ""); });
}

int run_check_certificate(const Options& options) {
  const std::string& slot = options.certificate.slot;
  return print(ApiClient(options.endpoint).post("/v1/certificates/checks", json::serialize(json::object{{"slot", slot}})), options, [&](const json::value&) { return "the authority of " + slot + " is asked; see sallyport cert show " + slot + "\n"; });
}

int run_refusals(const Options& options) {
  return print(ApiClient(options.endpoint).get("/v1/certificates/refusals"), options, [](const json::value& value) {
    TextTable table({"NAME", "TIMES", "SOURCES/h", "ALERT", "LAST FROM", "AT"});
    std::string latest;
    for (const json::value& each : items(value)) {
      table.add({at(each, "name").empty() ? "(none)" : printable(at(each, "name")), at(each, "times"), at(each, "sources"), at(each, "alert"), at(each, "source"), at(each, "at")});
      if (latest.empty()) latest = printable(at(each, "text"));
    }
    return table.is_empty() ? std::string("no client refused a certificate of this node since its start\n") : table.text() + latest + "\n";
  });
}

int run_requests(const Options& options) {
  const CertificateOptions& wish = options.certificate;
  if (!wish.slot.empty()) {
    const std::string form = wish.form.empty() ? "pem" : wish.form;
    return print(ApiClient(options.endpoint).get("/v1/requests" + query({{"slot", wish.slot}, {"form", options.json ? "" : form}})), options, nullptr);
  }
  return print(ApiClient(options.endpoint).get("/v1/requests"), options, [](const json::value& list) {
    TextTable table({"SLOT", "KEY", "DIGEST", "MADE", "ON", "NAMES"});
    for (const json::value& each : items(list)) table.add({at(each, "slot"), at(each, "key"), at(each, "digest"), at(each, "made"), at(each, "made_on"), at(each, "names")});
    return table.is_empty() ? std::string("no open requests\n") : table.text();
  });
}

int run_request(const Options& options) {
  const CertificateOptions& wish = options.certificate;
  json::object body{{"slot", wish.slot}, {"key", wish.key_kind}, {"digest", wish.digest}, {"preview", options.dry_run}, {"names", json::array(wish.names.begin(), wish.names.end())},
                    {"common_name", wish.common_name}, {"organization", wish.organization}, {"unit", wish.unit}, {"locality", wish.locality}, {"state", wish.state}, {"country", wish.country}};
  return print(ApiClient(options.endpoint).post("/v1/requests", json::serialize(body)), options, options.dry_run ? show_preview : show_request);
}

int run_discard(const Options& options) {
  const CertificateOptions& wish = options.certificate;
  return print(ApiClient(options.endpoint).erase("/v1/requests" + query({{"slot", wish.slot}})), options, [&](const json::value&) { return "request for " + wish.slot + " discarded, its key with it\n"; });
}

int run_certificate_settings(const Options& options) {
  const CertificateOptions& wish = options.certificate;
  const auto show = [](const json::value& value) { return "mode                      " + at(value, "mode") + "\nduplicate_self_signed_cn  " + at(value, "duplicate_self_signed_cn") + "\nweak_keys                 " + at(value, "weak_keys") + "\n"; };
  if (wish.name.empty()) return print(ApiClient(options.endpoint).get("/v1/certificate-settings"), options, show);
  return print(ApiClient(options.endpoint).post("/v1/certificate-settings", json::serialize(json::object{{"name", wish.name}, {"value", wish.value}})), options, show);
}

int run_probe_trust(const Options& options) {
  const CertificateOptions& wish = options.certificate;
  json::object body{{"host", wish.name}, {"ports", json::array(wish.ports.begin(), wish.ports.end())}, {"purpose", wish.purpose}};
  return print(ApiClient(options.endpoint).post("/v1/trust/probe", json::serialize(body), 60), options, show_probe);
}

int run_acme(const Options& options) { return print(ApiClient(options.endpoint).get("/v1/acme"), options, show_acme); }
int run_acme_on(const Options& options) { return turn_acme(options, true); }
int run_acme_off(const Options& options) { return turn_acme(options, false); }

int run_acme_authority(const Options& options) {
  const CertificateOptions& wish = options.certificate;
  json::object body{{"name", wish.name}, {"directory_url", wish.url}, {"contacts", json::array(wish.contacts.begin(), wish.contacts.end())}, {"ca_file", wish.ca_file}, {"preferred_root", wish.preferred_root}, {"profile", wish.profile}, {"external_key_id", wish.external_key_id}, {"agrees_to_terms", wish.agrees_to_terms}};
  if (!wish.external_key_file.empty()) {
    std::string text;
    if (!read_secret(wish.external_key_file, text)) return complain_unreadable(wish.external_key_file);
    body["external_hmac_key"] = text;
    OPENSSL_cleanse(text.data(), text.size());
  }
  return print(ApiClient(options.endpoint).post("/v1/acme/authorities", json::serialize(body)), options, [](const json::value& value) { return "authority " + at(value, "name") + " stands; next: sallyport acme on domain/NAME\n"; });
}

int run_delete_acme_authority(const Options& options) {
  const std::string& name = options.certificate.name;
  return print(ApiClient(options.endpoint).erase("/v1/acme/authorities" + query({{"name", name}})), options, [&](const json::value&) { return "authority " + name + " deleted, its account's key with it\n"; });
}

int run_acme_setting(const Options& options) {
  const CertificateOptions& wish = options.certificate;
  std::string value = wish.value;
  if (wish.name == "dns_key" && !read_secret(wish.value, value)) return complain_unreadable(wish.value);
  return print(ApiClient(options.endpoint).post("/v1/acme/settings", json::serialize(json::object{{"name", wish.name}, {"value", value}})), options, show_acme);
}

int run_acme_renew(const Options& options) {
  const std::string& slot = options.certificate.slot;
  return print(ApiClient(options.endpoint).post("/v1/acme/renewals", json::serialize(json::object{{"slot", slot}})), options, [&](const json::value&) { return "ordered for " + slot + "; see sallyport acme status\n"; });
}

int run_acme_rekey(const Options& options) {
  const std::string& name = options.certificate.name;
  return print(ApiClient(options.endpoint).post("/v1/acme/keys", json::serialize(json::object{{"authority", name}}), 60), options, [&](const json::value&) { return "the account at " + name + " has a new key\n"; });
}

int run_domains(const Options& options) { return print(ApiClient(options.endpoint).get("/v1/domains" + query({{"limit", std::to_string(options.limit)}})), options, show_domains); }

int run_add_domain(const Options& options) {
  return print(ApiClient(options.endpoint).post("/v1/domains", json::serialize(json::object{{"name", options.certificate.name}})), options,
               [](const json::value& value) { return "domain " + at(value, "name") + " created; next: sallyport cert request domain/" + at(value, "name") + "\n"; });
}

int run_delete_domain(const Options& options) {
  const std::string& name = options.certificate.name;
  if (!options.json && !is_confirmed(options, "delete domain " + name + " with its certificates?")) return complain("nothing was changed", exit_negative);
  return print(ApiClient(options.endpoint).erase("/v1/domains" + query({{"name", name}})), options, [&](const json::value&) { return "domain " + name + " deleted\n"; });
}

int run_trust(const Options& options) { return print(ApiClient(options.endpoint).get("/v1/trust" + query({{"purpose", options.certificate.purpose}})), options, show_trust); }

int run_add_trust(const Options& options) {
  const CertificateOptions& wish = options.certificate;
  std::string text;
  if (!read_file(wish.certificate_file, text)) return complain_unreadable(wish.certificate_file);
  return print(ApiClient(options.endpoint).post("/v1/trust", json::serialize(json::object{{"purpose", wish.purpose}, {"certificates", text}, {"file", wish.certificate_file}})), options, [](const json::value& value) {
    std::string shown;
    for (const json::value& each : items(member(value, "added"))) shown += "trusted for " + at(value, "purpose") + ": " + printable(at(each, "subject")) + " (serial " + at(each, "serial") + ")\n";
    for (const json::value& each : items(member(value, "present"))) shown += "was trusted already: " + printable(at(each, "subject")) + "\n";
    return shown;
  });
}

int run_remove_trust(const Options& options) {
  const CertificateOptions& wish = options.certificate;
  const auto target = [&](bool preview) { return "/v1/trust" + query({{"purpose", wish.purpose}, {"fingerprint", wish.fingerprint}, {"preview", preview ? "1" : ""}}); };
  const auto show = [](const json::value& value) {
    std::string text = printable(at(value, "subject")) + " (serial " + at(value, "serial") + ")\n";
    const json::array& broken = items(member(value, "would_break"));
    text += broken.empty() ? "nothing that is connected now depends on it\n" : "these would not connect again without it:\n" + listed(member(value, "would_break"), "  ");
    return text;
  };
  if (!options.json || options.dry_run) {
    const int code = print(ApiClient(options.endpoint).erase(target(true)), options, show);
    if (code != exit_done || options.dry_run) return code;
    if (!is_confirmed(options, "trust it no more?")) return complain("nothing was changed", exit_negative);
  }
  return print(ApiClient(options.endpoint).erase(target(false)), options, [](const json::value&) { return "removed; what is connected stays, the next handshake counts\n"; });
}

}  // namespace sallyport::cli
