// SPDX-License-Identifier: Apache-2.0
// sallyport: the operator's command, a client of the control plane's REST interface on its Unix socket, or over HTTPS.

#include <openssl/crypto.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <string_view>
#include <vector>

#include "controlplane/cli/accounts.h"
#include "controlplane/cli/certificates.h"
#include "controlplane/cli/commands.h"
#include "controlplane/cli/dialogue.h"
#include "controlplane/cli/onboarding.h"
#include "controlplane/cli/pair.h"
#include "controlplane/cli/remote_access.h"
#include "controlplane/cli/top.h"
#include "controlplane/cli/xmpp.h"
#include "controlplane/config/near_word.h"

namespace {

using namespace sallyport::cli;
namespace config = sallyport::config;
namespace store = sallyport::store;

constexpr const char* exit_codes =
    "Exit codes: 0 done; 1 the answer is no (a test failed, a document was refused); 2 wrong usage;\n"
    "3 the control plane does not run or does not answer; 4 it answered with an error.";

class CommandLine {
 public:
  CommandLine() {
    const char* from_environment = std::getenv("SALLYPORT_SOCKET");
    options_.endpoint.socket = from_environment && *from_environment ? from_environment : "/run/sallyport/controlplane.sock";
    app_.require_subcommand(1);
    app_.fallthrough();
    app_.footer(exit_codes);
    app_.set_version_flag("--version", SALLYPORT_VERSION);
    app_.add_option("--socket", options_.endpoint.socket, "Control plane's socket; default $SALLYPORT_SOCKET or " + options_.endpoint.socket);
    CLI::Option* url = app_.add_option("--url", remote_.url, "Instead of the socket: the node's address for administration, https://HOST:PORT");
    app_.add_option("--account", remote_.account, "Who you are there; the password is asked for")->needs(url);
    app_.add_option("--ca", remote_.ca_file, "PEM file of who vouches for its certificate; default the system's authorities")->needs(url);
    app_.add_option("--password-file", password_file_, "File with the password, instead of being asked")->needs(url);
    app_.add_flag("--json", options_.json, "Print JSON");
    add_views();
    add_calls();
    add_changes();
    add_certificates();
    add_acme();
    add_pair();
    add_onboarding();
    add_domains_and_trust();
    add_accounts();
    add_xmpp();
    add_files();
  }

  int run(int count, char** words) {
    try {
      app_.parse(count, words);
    } catch (const CLI::RequiredError& error) {
      if (app_.remaining().empty()) return fail(error);
      std::cerr << "sallyport: there is no command " << app_.remaining().front() << suggestion(app_.remaining().front()) << "; see sallyport --help\n";
      return exit_usage;
    } catch (const CLI::ParseError& error) {
      return fail(error);
    }
    if (!remote_.url.empty() && !is_local_command()) {
      if (const int code = log_in(); code != exit_done) return code;
    }
    return command_(options_);
  }

 private:
  int fail(const CLI::ParseError& error) {
    int code = app_.exit(error);
    return code == 0 ? exit_done : exit_usage;
  }

  // What needs no control plane.
  bool is_local_command() const { return command_ == run_check_config || command_ == run_keys || command_ == run_restore; }

  int log_in() {
    if (remote_.account.empty()) return complain("--url needs --account NAME", exit_usage);
    std::string text;
    if (!password_file_.empty() && !read_secret(password_file_, text)) return complain_unreadable(password_file_);
    if (password_file_.empty() && !ask_secret("password of " + remote_.account + " at " + remote_.url, text)) return complain("there is no terminal to ask for the password; give --password-file FILE", exit_usage);
    store::Secret password(text);
    OPENSSL_cleanse(text.data(), text.size());
    auto access = RemoteAccess::make(remote_, std::move(password));
    if (!access) return complain(access.fault().text(), access.fault().code == sallyport::FaultCode::invalid ? exit_usage : exit_error);
    if (const auto in = (*access)->log_in(); !in) return complain(in.fault().text(), in.fault().code == sallyport::FaultCode::unreachable ? exit_unreachable : exit_error);
    options_.endpoint.remote = std::move(*access);
    return exit_done;
  }

  std::string suggestion(const std::string& word) const {
    std::vector<std::string_view> names;
    for (const CLI::App* command : app_.get_subcommands(nullptr)) names.push_back(command->get_name());
    std::string_view near = config::nearest_word(word, names);
    return near.empty() ? "" : ", did you mean " + std::string(near) + "?";
  }

  CLI::App* add(CLI::App& parent, const std::string& name, const std::string& description, const std::string& example, int (*command)(const Options&)) {
    CLI::App* sub = parent.add_subcommand(name, description);
    sub->fallthrough();
    sub->footer("Example: " + example);
    sub->callback([this, command] {
      if (!command_) command_ = command;
    });
    return sub;
  }

  void add_limit(CLI::App* command) { command->add_option("--limit", options_.limit, "At most so many")->check(CLI::Range(1, 100000)); }

  void add_views() {
    add(app_, "status", "What the node is and how it does", "sallyport status", run_status);
    add(app_, "zones", "Traversal zones and the state of each peer", "sallyport zones --json", run_zones);
    add_limit(add(app_, "registrations", "Clients that are registered through this node", "sallyport registrations --limit 50", run_registrations));
    add_limit(add(app_, "flows", "Flows of the dataplane", "sallyport flows --json", run_flows));
    CLI::App* top = add(app_, "top", "Traffic, drops, worker load, the busiest and the worst calls; refreshed until Ctrl-C", "sallyport top\n         sallyport top --once", run_top);
    top->add_flag("--once", options_.once, "One picture, as without a terminal");
    top->add_option("--interval", options_.interval_s, "Seconds between two looks")->check(CLI::Range(1, 60));
    add_limit(top);
    add(app_, "counters", "The dataplane by stage, drop reason and worker; other counters that are not zero", "sallyport counters --all", run_counters)->add_flag("--all", options_.all, "Those that are zero too");
    add_limit(add(app_, "history", "Who changed the site, newest first", "sallyport history --limit 20", run_history));
    CLI::App* logs = add(app_, "logs", "Newest events of the control plane", "sallyport logs --follow", run_logs);
    logs->add_flag("--follow,-f", options_.follow, "Go on until interrupted");
    logs->add_option("--lines,-n", options_.lines, "So many lines first")->check(CLI::Range(0, 2000));
  }

  void add_calls() {
    CLI::App* calls = add(app_, "calls", "Calls, also those that ended lately", "sallyport calls --active\n         sallyport calls show 17", run_calls);
    calls->add_flag("--active", options_.active, "Only those that have not ended");
    add_limit(calls);
    calls->require_subcommand(0, 1);
    add(*calls, "show", "Both legs of a call: suite, packets, loss, jitter, addresses", "sallyport calls show 17", run_call)
        ->add_option("ID", options_.argument, "As `sallyport calls` lists it")
        ->required();
    CLI::App* capture = add(app_, "capture", "Writes a call's packets, as they come and go on both legs, for Wireshark or tcpdump", "sallyport capture 17 --file 17.pcap --seconds 20", run_capture);
    capture->add_option("CALL", options_.argument, "As `sallyport calls` lists it")->required();
    capture->add_option("--file,-f", options_.file, "A new file, pcapng")->required();
    capture->add_option("--seconds", options_.seconds, "End after so long")->check(CLI::Range(1, 3600));
    capture->add_option("--packets", options_.packets, "End after so many")->check(CLI::Range(1, 10'000'000));
    capture->add_flag("--decrypted", options_.decrypted, "What is said, in the clear; only on C, if media.decrypted_capture is on, and logged");
  }

  void add_changes() {
    CLI::App* traversal = app_.add_subcommand("traversal", "The connection between C and E");
    traversal->require_subcommand(1);
    traversal->fallthrough();
    add(*traversal, "test", "Tries the layers one by one: DNS, TCP, TLS, SAN, digest, UDP", "sallyport traversal test \"Traversal zone\"", run_traversal_test)
        ->add_option("ZONE", options_.argument, "Only this zone");
    CLI::App* discovery = app_.add_subcommand("discovery", "How clients outside find this node");
    discovery->require_subcommand(1);
    discovery->fallthrough();
    add(*discovery, "test", "On E: DNS records of its domains, where they lead, and which certificate a client is then shown", "sallyport discovery test example.com", run_discovery_test)
        ->add_option("DOMAIN", options_.argument, "Only this domain");
    CLI::App* apply = add(app_, "apply", "Shows what a site document changes, then applies it, all or nothing", "sallyport apply site.toml --dry-run", run_apply);
    apply->add_option("FILE", options_.argument, "Site document; - reads standard input")->required();
    apply->add_flag("--dry-run", options_.dry_run, "Only show the plan");
    apply->add_flag("--yes,-y", options_.yes, "Do not ask");
    add(app_, "upgrade", "Replaces the running control plane by a new program; media goes on, and nothing changes if it is not fit", "sallyport upgrade\n         sallyport upgrade --binary /opt/sallyport/bin/sallyport-controlplane", run_upgrade)
        ->add_option("--binary", options_.argument, "The new program; default the file that runs, as it is now");
    CLI::App* backup = add(app_, "backup", "The node's store with its keys as one encrypted file", "sallyport backup e1.backup --passphrase-file e1.passphrase", run_backup);
    backup->add_option("FILE", options_.backup.file, "A new file")->required();
    backup->add_option("--passphrase-file", options_.backup.passphrase_file, "File with a passphrase of 12 characters or more")->required();
    add(app_, "export", "The site as a document that apply takes; without passwords", "sallyport export > site.toml", run_export);
  }

  CLI::App* add_group(const char* name, const char* description) {
    CLI::App* group = app_.add_subcommand(name, description);
    group->require_subcommand(1);
    group->fallthrough();
    return group;
  }

  void add_slot(CLI::App* command, bool required = true) {
    CLI::Option* slot = command->add_option("SLOT", options_.certificate.slot, "server, client, or domain/NAME");
    if (required) slot->required();
  }
  void add_form(CLI::App* command) { command->add_option("--form", options_.certificate.form, "pem or decoded")->check(CLI::IsMember({"pem", "decoded"})); }

  void add_certificates() {
    CertificateOptions& wish = options_.certificate;
    CLI::App* cert = add_group("cert", "Certificates of this node: what is served, requests, uploads");
    add_limit(add(*cert, "list", "What each slot holds", "sallyport cert list", run_certificates));
    CLI::App* show = add(*cert, "show", "A certificate with its chain", "sallyport cert show domain/example.com --form pem", run_certificate);
    add_slot(show);
    add_form(show);
    show->add_option("--family", wish.family, "rsa or ecdsa");
    CLI::App* request = add(*cert, "request", "Makes a key and a signing request with the names that the slot needs", "sallyport cert request server --preview\n         sallyport cert request domain/example.com --key ecdsa-p256, then: sallyport cert requests domain/example.com > example.csr", run_request);
    add_slot(request);
    request->add_option("--key", wish.key_kind, "rsa-2048, rsa-3072, rsa-4096, ecdsa-p256 or ecdsa-p384");
    request->add_option("--digest", wish.digest, "sha256, sha384 or sha512");
    request->add_option("--name", wish.names, "One more name: a host name, an address, or like XMPPAddress:example.com; may be repeated");
    request->add_option("--common-name", wish.common_name, "Of the subject; default the first name");
    request->add_option("--organization", wish.organization, "Of the subject");
    request->add_option("--unit", wish.unit, "Of the subject");
    request->add_option("--locality", wish.locality, "Of the subject");
    request->add_option("--state", wish.state, "Of the subject");
    request->add_option("--country", wish.country, "Of the subject, two letters");
    request->add_flag("--preview", options_.dry_run, "Only show the names as they will appear");
    CLI::App* requests = add(*cert, "requests", "Open requests; with a slot, its request as PEM", "sallyport cert requests\n         sallyport cert requests server --form decoded", run_requests);
    add_slot(requests, false);
    add_form(requests);
    add_slot(add(*cert, "discard", "Discards an open request and its key", "sallyport cert discard domain/example.com", run_discard));
    CLI::App* upload = add(*cert, "upload", "Installs a certificate; it serves from the next handshake on and ends nothing", "sallyport cert upload domain/example.com example.pem\n         sallyport cert upload server chain.pem --key server.key --dry-run", run_upload);
    add_slot(upload);
    upload->add_option("FILE", wish.certificate_file, "PEM: the certificate and its intermediates, in any order; - reads standard input")->required();
    upload->add_option("--key", wish.key_file, "PEM of the private key, if the request was made elsewhere");
    upload->add_option("--passphrase-file", wish.passphrase_file, "File with the passphrase of the key");
    upload->add_flag("--dry-run", options_.dry_run, "Only judge it");
    CLI::App* remove = add(*cert, "delete", "Deletes a slot's certificate", "sallyport cert delete domain/example.com --family rsa", run_delete_certificate);
    add_slot(remove);
    remove->add_option("--family", wish.family, "rsa or ecdsa; default both");
    remove->add_flag("--yes,-y", options_.yes, "Do not ask");
    add_slot(add(*cert, "check", "Asks the authority now whether the slot's certificates were revoked", "sallyport cert check server", run_check_certificate));
    add(*cert, "refusals", "Names whose certificate clients refused, with the alert they sent, how often and from where", "sallyport cert refusals", run_refusals);
    CLI::App* explain = add(*cert, "explain", "Which certificate is served for a name, and why", "sallyport cert explain --sni mra-host.example.com --port 5061", run_explain);
    explain->add_option("--sni", wish.sni, "Name the client asks for; empty: none");
    explain->add_option("--port", wish.port, "Of the listener")->check(CLI::Range(1, 65535));
    CLI::App* set = add(*cert, "set", "How certificates are judged: mode (two, single), duplicate_self_signed_cn (refuse, allow), weak_keys (refuse, allow)", "sallyport cert set\n         sallyport cert set mode single", run_certificate_settings);
    set->add_option("NAME", wish.name, "Without it all are shown");
    set->add_option("VALUE", wish.value, "");
  }

  void add_acme() {
    CertificateOptions& wish = options_.certificate;
    CLI::App* acme = add_group("acme", "Certificates that authorities issue by themselves (ACME)");
    add(*acme, "status", "Slots, authorities and settings", "sallyport acme status", run_acme);
    CLI::App* authority = acme->add_subcommand("authority", "Who issues them, in the order in which they are asked");
    authority->require_subcommand(1);
    authority->fallthrough();
    CLI::App* put = add(*authority, "add", "Adds an authority at the end of the order, or changes it", "sallyport acme authority add le https://acme-v02.api.letsencrypt.org/directory --contact mailto:admin@example.com", run_acme_authority);
    put->add_option("NAME", wish.name, "Of your choice")->required();
    put->add_option("URL", wish.url, "Its directory")->required();
    put->add_option("--contact", wish.contacts, "mailto:...; may be repeated");
    put->add_option("--ca-file", wish.ca_file, "PEM of who vouches for its server; default the system's authorities");
    put->add_option("--preferred-root", wish.preferred_root, "Common name of the root, where it offers several chains");
    put->add_option("--profile", wish.profile, "Of its certificates, where it offers several");
    put->add_flag("--agree-to-terms", wish.agrees_to_terms, "You have read its terms of service and agree; it makes no account without");
    put->add_option("--external-key-id", wish.external_key_id, "Of an account it knows from elsewhere");
    put->add_option("--external-key-file", wish.external_key_file, "File with that account's HMAC key, base64url");
    add(*authority, "delete", "Deletes an authority and this node's account there", "sallyport acme authority delete le", run_delete_acme_authority)->add_option("NAME", wish.name, "As listed")->required();
    add(*authority, "rekey", "Gives this node's account there a new key", "sallyport acme authority rekey le", run_acme_rekey)->add_option("NAME", wish.name, "As listed")->required();
    CLI::App* set = add(*acme, "set", "challenge (http-01, tls-alpn-01, dns-01), key (ecdsa-p256, rsa-2048, ...); for dns-01 dns_server, dns_key_name, dns_algorithm, dns_key (a file), dns_zone, dns_alias, dns_check_servers, or dns_hook", "sallyport acme set challenge dns-01", run_acme_setting);
    set->add_option("NAME", wish.name, "Setting")->required();
    set->add_option("VALUE", wish.value, "Its value")->required();
    add_slot(add(*acme, "on", "Keeps a slot's certificate by ACME, beginning now", "sallyport acme on domain/example.com", run_acme_on));
    add_slot(add(*acme, "off", "Leaves a slot's certificate as it is", "sallyport acme off domain/example.com", run_acme_off));
    add_slot(add(*acme, "renew", "Orders a certificate now, whatever the schedule says", "sallyport acme renew domain/example.com", run_acme_renew));
  }

  void add_pair() {
    PairOptions& wish = options_.pair;
    CLI::App* pair = add(app_, "pair", "On E: makes a token with which a C node joins a traversal zone; both then have certificates that renew themselves", "sallyport pair \"Traversal zone\"\n         sallyport pair list", run_pair);
    pair->require_subcommand(0, 1);
    pair->add_option("ZONE", wish.zone, "Which zone; not needed if there is one only");
    pair->add_option("--seconds", wish.seconds, "How long the token can be used")->check(CLI::Range(1, 3600));
    pair->add_option("--host", wish.host, "Name or address of this node that C dials; default its FQDN");
    add(*pair, "list", "Own certificates, nodes that joined, tokens that were not used", "sallyport pair list", run_pair_list);
    add(*pair, "withdraw", "A token can no longer be used", "sallyport pair withdraw 3f2a91bc00112233", run_pair_withdraw)->add_option("ID", wish.id, "As listed")->required();
    add(*pair, "renew", "Renews a certificate now", "sallyport pair renew edge.example.com", run_pair_renew)->add_option("PEER", wish.node, "As listed; not needed if there is one only");
    CLI::App* remove = add(*pair, "remove", "On E: refuses a node that joined; on C: forgets the certificate for a peer", "sallyport pair remove c1.inside.example.com", run_pair_remove);
    remove->add_option("NODE", wish.node, "As listed")->required();
    remove->add_flag("--yes,-y", options_.yes, "Do not ask");
    CLI::App* join = add(app_, "join", "On C: redeems a token of E's `sallyport pair`", "sallyport join sp1-... --password-file zone.password", run_join);
    join->add_option("TOKEN", wish.token, "As E printed it; - reads standard input")->required();
    join->add_option("--password-file", wish.password_file, "File with the password of the zone's user: if this node has no zone, it is made too");
  }

  void add_onboarding() {
    OnboardingOptions& wish = options_.onboarding;
    CLI::App* onboarding = add(app_, "onboarding", "Phones that get a certificate for an activation code: state, open codes, who was onboarded", "sallyport onboarding\n         sallyport onboarding on\n         sallyport onboarding code SEP001122334455", run_onboarding);
    onboarding->require_subcommand(0, 1);
    add_limit(onboarding);
    add(*onboarding, "on", "On C: switches it on; E opens its port", "sallyport onboarding on", run_onboarding_on);
    add(*onboarding, "off", "On C: switches it off; phones keep their certificates", "sallyport onboarding off", run_onboarding_off);
    CLI::App* code = add(*onboarding, "code", "On C: makes an activation code for a phone; shown once", "sallyport onboarding code SEP001122334455 --hours 24", run_onboarding_code);
    code->add_option("PHONE", wish.device, "As call control names it")->required();
    code->add_option("--hours", wish.hours, "How long it can be used")->check(CLI::Range(1, 2160));
    CLI::App* withdraw = add(*onboarding, "withdraw", "On C: a phone's code is not taken any more, its certificates are not renewed", "sallyport onboarding withdraw SEP001122334455", run_onboarding_withdraw);
    withdraw->add_option("PHONE", wish.device, "As listed")->required();
    withdraw->add_flag("--yes,-y", options_.yes, "Do not ask");
    add(*onboarding, "authority", "The CA certificate for mTLS, as PEM", "sallyport onboarding authority", run_onboarding_authority);
  }

  void add_domains_and_trust() {
    CertificateOptions& wish = options_.certificate;
    CLI::App* domain = add_group("domain", "Domains with certificates of their own, served by SNI");
    add_limit(add(*domain, "list", "Domains and their certificates", "sallyport domain list", run_domains));
    add(*domain, "add", "Creates a domain", "sallyport domain add 100.example-name.com", run_add_domain)->add_option("NAME", wish.name, "Domain name")->required();
    CLI::App* remove = add(*domain, "delete", "Deletes a domain with its certificates and its request", "sallyport domain delete example.com", run_delete_domain);
    remove->add_option("NAME", wish.name, "Domain name")->required();
    remove->add_flag("--yes,-y", options_.yes, "Do not ask");
    CLI::App* trust = add_group("trust", "Authorities that are trusted, by purpose: traversal, call_control, presence, endpoints, federation, guests");
    add(*trust, "list", "Who is trusted for what", "sallyport trust list", run_trust)->add_option("--purpose", wish.purpose, "Only this purpose");
    CLI::App* add_ca = add(*trust, "add", "Trusts the authorities of a PEM file, from the next handshake on", "sallyport trust add traversal ca.pem", run_add_trust);
    add_ca->add_option("PURPOSE", wish.purpose, "What it may vouch for")->required();
    add_ca->add_option("FILE", wish.certificate_file, "PEM; - reads standard input")->required();
    CLI::App* remove_ca = add(*trust, "remove", "Shows what depends on an authority, then trusts it no more", "sallyport trust remove traversal 3f2a91bc --dry-run", run_remove_trust);
    remove_ca->add_option("PURPOSE", wish.purpose, "What it vouches for")->required();
    remove_ca->add_option("FINGERPRINT", wish.fingerprint, "SHA-256, its first 8 digits at least")->required();
    remove_ca->add_flag("--dry-run", options_.dry_run, "Only show what depends on it");
    remove_ca->add_flag("--yes,-y", options_.yes, "Do not ask");
    CLI::App* probe = add(*trust, "probe", "What a TLS server shows, and what keeps it from being trusted; sends nothing but the handshake", "sallyport trust probe call_control cm1.example.com\n         sallyport trust probe presence imp1.example.com --port 8443", run_probe_trust);
    probe->add_option("PURPOSE", wish.purpose, "What it would be trusted for")->required();
    probe->add_option("HOST", wish.name, "Name or address")->required();
    probe->add_option("--port", wish.ports, "May be repeated; default 5061 (SIP) and 8443 (web)")->check(CLI::Range(1, 65535));
  }

  void add_accounts() {
    AccountOptions& wish = options_.account;
    CLI::App* account = add_group("account", "Who may administer this node over HTTPS: read, operate or administer");
    add(*account, "list", "Accounts, their roles and open sessions", "sallyport account list", run_accounts);
    CLI::App* put = add(*account, "add", "Makes an account; its password is asked for", "sallyport account add anna --role operate", run_add_account);
    put->add_option("NAME", wish.name, "a-z, 0-9, dots, dashes, underscores")->required();
    put->add_option("--role", wish.role, "read: look; operate: also test, capture, renew; administer: also change")->required()->check(CLI::IsMember({"read", "operate", "administer"}));
    put->add_option("--new-password-file", wish.password_file, "File with its password, instead of being asked");
    CLI::App* password = add(*account, "password", "Gives an account another password and ends its sessions", "sallyport account password anna", run_account_password);
    password->add_option("NAME", wish.name, "Account")->required();
    password->add_option("--new-password-file", wish.password_file, "File with the password, instead of being asked");
    CLI::App* role = add(*account, "role", "Gives an account another role, at once", "sallyport account role anna administer", run_account_role);
    role->add_option("NAME", wish.name, "Account")->required();
    role->add_option("ROLE", wish.role, "read, operate or administer")->required()->check(CLI::IsMember({"read", "operate", "administer"}));
    CLI::App* remove = add(*account, "remove", "Removes an account and ends its sessions", "sallyport account remove anna", run_remove_account);
    remove->add_option("NAME", wish.name, "Account")->required();
    remove->add_flag("--yes,-y", options_.yes, "Do not ask");
    add(*account, "sessions", "Who is logged in", "sallyport account sessions", run_sessions);
    add(*account, "end-session", "Ends a session", "sallyport account end-session 3f9a0c11d2e4", run_end_session)->add_option("ID", wish.session, "As listed")->required();
    CLI::App* audit = add(app_, "audit", "Who asked to change what, from where, and what came of it, newest first", "sallyport audit --actor \"account anna\" --since 2026-11-28\n         sallyport audit --refused --limit 20", run_audit);
    add_limit(audit);
    audit->add_option("--before", wish.before, "Only rows with a lower number: the next page");
    audit->add_option("--actor", wish.actor, "Only who is called so: \"uid 0\", \"account anna\", stranger");
    audit->add_option("--path", wish.path, "Only paths that begin so: /v1/certificates");
    audit->add_option("--since", wish.since, "Only from then on: 2026-11-28, or 2026-11-28T13:00:00Z");
    audit->add_option("--until", wish.until, "Only before then");
    audit->add_flag_callback("--refused", [&wish] { wish.outcome = "refused"; }, "Only what was refused");
    audit->add_flag_callback("--done", [&wish] { wish.outcome = "done"; }, "Only what was done");
  }

  void add_xmpp() {
    CLI::App* xmpp = add_group("xmpp", "Chat and presence: streams of clients, presence servers");
    add_limit(add(*xmpp, "streams", "Streams of clients through this node; E and C give each one id", "sallyport xmpp streams --limit 20", run_xmpp_streams));
    add(*xmpp, "presence", "On C: presence servers and how they answered last", "sallyport xmpp presence", run_xmpp_presence);
  }

  void add_files() {
    add(app_, "check-config", "Checks a node file; needs no control plane", "sallyport check-config /etc/sallyport/e1/node.toml", run_check_config)
        ->add_option("FILE", options_.argument, "Node file")
        ->required();
    CLI::App* restore = add(app_, "restore", "Fills an empty state_dir from a backup; needs no control plane", "sallyport restore e1.backup --passphrase-file e1.passphrase --state-dir /var/lib/sallyport/e1", run_restore);
    restore->add_option("FILE", options_.backup.file, "The backup")->required();
    restore->add_option("--passphrase-file", options_.backup.passphrase_file, "File with its passphrase")->required();
    restore->add_option("--state-dir", options_.backup.state_dir, "node.state_dir of the node file; made if it is missing")->required();
    CLI::App* keys = add(app_, "keys", "Explains the keys of a node file", "sallyport keys media", run_keys);
    keys->add_option("SECTION", options_.argument, "Only this section");
    keys->add_flag("--markdown", options_.markdown, "The page docs/configuration.md");
  }

  CLI::App app_{"Operates a Sallyport node. Each command has --help with an example.", "sallyport"};
  Options options_;
  RemoteWish remote_;
  std::string password_file_;
  int (*command_)(const Options&) = nullptr;
};

}  // namespace

int main(int count, char** words) {
  // `sallyport logs --follow | head` ends quietly.
  std::signal(SIGPIPE, SIG_DFL);
  return CommandLine().run(count, words);
}
