// SPDX-License-Identifier: Apache-2.0
#pragma once
// RevocationKeeper: asks the authorities whether this node's certificates were revoked, where a certificate names who tells: its OCSP
// responder, else its revocation list. What a responder said goes into the StapleBook, the last word of each into the store. Few
// questions at a time, at a bounded pace, the platform's certificates first: ten thousand domains make no storm. On the node's thread;
// run() ends after stop().

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "controlplane/certificates/certificate_vault.h"
#include "controlplane/dns/resolver.h"
#include "controlplane/http/http_client.h"
#include "controlplane/revocation/crl_verdict.h"
#include "controlplane/revocation/ocsp_verdict.h"
#include "controlplane/revocation/revocation_store.h"
#include "controlplane/tls/staple_book.h"
#include "controlplane/tls/stream_engine.h"

namespace sallyport::node {

struct RevocationSettings {
  bool is_on = true;
  std::uint32_t requests_per_min = 120;
  // What a certificate names is not ours to choose, so it may not lead to this host or its link. For tests.
  bool may_ask_this_host = false;
};

// A certificate that serves from a file of the node file.
struct ServedFile {
  std::string slot;
  std::shared_ptr<const tls::Credential> credential;
};

// Certificates in use that are not in the vault, and whom else to look among for an issuer.
struct RevocationSurroundings {
  std::function<std::vector<ServedFile>()> files;
  std::function<std::vector<std::shared_ptr<X509>>()> authorities;
};

struct RevocationCounters {
  std::uint64_t good = 0, revoked = 0, unknown = 0, failed = 0;  // answers of responders
  std::uint64_t lists_read = 0, lists_failed = 0;
};

// Of one certificate that names who tells, or that clients want a staple of.
struct RevocationStatus {
  std::string slot, serial, fingerprint;
  tls::KeyFamily family = tls::KeyFamily::rsa;
  std::string ocsp_url, crl_url;  // the list is read where there is no responder
  bool must_staple = false;
  revocation::RevocationFinding finding;
  std::int64_t staple_until_s = 0;  // 0: nothing to staple
  std::int64_t next_check_s = 0;
  unsigned failures = 0;  // in a row
  std::string problem;    // of the last attempt; empty: none

  const char* source() const { return !ocsp_url.empty() ? "ocsp" : !crl_url.empty() ? "crl" : "none"; }
  const std::string& url() const { return ocsp_url.empty() ? crl_url : ocsp_url; }
  // What was known has ended, or never was, and several attempts failed.
  bool is_lost(std::int64_t now_s) const;
  std::string text(std::int64_t now_s) const;  // "good, told ... by OCSP; stapled until ..."
};

class RevocationKeeper : public std::enable_shared_from_this<RevocationKeeper> {
 public:
  using Log = std::function<void(const std::string&)>;

  RevocationKeeper(boost::asio::io_context& io, tls::StreamEngine& engine, dns::Resolver& resolver, certificates::CertificateVault& vault, std::unique_ptr<revocation::RevocationStore> store,
                   std::shared_ptr<tls::StapleBook> staples, RevocationSurroundings surroundings, RevocationSettings settings, Log log);

  static boost::asio::awaitable<void> run(std::shared_ptr<RevocationKeeper> self);
  void stop();
  // Certificates or trust changed.
  void look_again();
  void configure(RevocationSettings settings);
  // Asks now, whatever the schedule says. Fault missing: no certificate of that slot names who tells; refused: it is switched off.
  Outcome<> check_now(const std::string& slot);

  bool is_on() const { return settings_.is_on; }
  void each(const std::function<void(const RevocationStatus&)>& look) const;  // there may be ten thousand: no copies
  const RevocationStatus* find(const std::string& slot, const std::string& serial) const;
  const RevocationStatus* find_by_fingerprint(const std::string& fingerprint) const;
  const RevocationCounters& counters() const { return counters_; }

 private:
  struct Kept : RevocationStatus {
    std::shared_ptr<const tls::Credential> file;  // null: it is in the vault
    std::int64_t not_after_s = 0;
    std::string issuer_fingerprint;  // with a list: of whose it must be
    bool is_asked = false;
  };
  struct Material {
    std::shared_ptr<X509> certificate, issuer;
  };
  struct WaitingVault {
    std::int64_t id;
    certificates::Slot slot;
    tls::KeyFamily family;
  };

  void load();
  void begin_scan();
  bool scan_some();  // true: there is more
  void adopt(const std::string& key, Kept kept, const std::vector<std::shared_ptr<X509>>& chain);
  void end_scan();
  std::chrono::milliseconds step();
  std::chrono::milliseconds pause() const;
  Kept* find_due();
  void begin(const std::string& key, Kept& kept);
  double draw() { return std::uniform_real_distribution<double>()(random_); }
  std::shared_ptr<X509> issuer_of(X509* certificate, const std::vector<std::shared_ptr<X509>>& chain) const;
  Outcome<Material> material_of(const Kept& kept) const;
  http::HttpClientOptions client_options(std::size_t body_bytes);
  std::shared_ptr<tls::TlsPolicy> system_trust();
  static boost::asio::awaitable<void> ask_responder(std::shared_ptr<RevocationKeeper> self, std::string key);
  static boost::asio::awaitable<void> ask_list(std::shared_ptr<RevocationKeeper> self, std::vector<std::string> keys, std::string url);
  void take_answer(const std::string& key, const Material& material, const Outcome<http::HttpMessage>& answer);
  void take_list(const std::vector<std::string>& keys, const Outcome<std::vector<revocation::RevocationFinding>>& findings);
  void apply(Kept& kept, const revocation::RevocationFinding& finding);
  void fail(Kept& kept, const Fault& fault);
  void end_question();

  boost::asio::io_context& io_;
  tls::StreamEngine& engine_;
  dns::Resolver& resolver_;
  certificates::CertificateVault& vault_;
  const std::unique_ptr<revocation::RevocationStore> store_;
  const std::shared_ptr<tls::StapleBook> staples_;
  const RevocationSurroundings surroundings_;
  RevocationSettings settings_;
  Log log_;
  boost::asio::steady_timer timer_;
  std::mt19937 random_;
  bool stopped_ = false, has_news_ = true, is_scanning_ = false;
  unsigned in_flight_ = 0;
  std::chrono::steady_clock::time_point next_start_{};
  std::shared_ptr<tls::TlsPolicy> https_policy_;
  std::map<std::string, revocation::RevocationRecord> loaded_;  // of the start, until its certificate is found
  std::map<std::string, Kept> kept_;                            // by place: "7" of the vault, or the slot of a file and its fingerprint
  std::map<std::string, bool> seen_;                            // places of the running scan
  std::vector<WaitingVault> waiting_;
  RevocationCounters counters_;
};

}  // namespace sallyport::node
