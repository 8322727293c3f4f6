// SPDX-License-Identifier: Apache-2.0
#pragma once
// run_order(): one certificate, from nothing to a judged chain: the authorities in their order until one issues, each with account,
// order, challenges, finalisation and download. What was presented for a challenge is taken away again also when it fails; a run that
// is cancelled leaves a DNS record behind. It keeps nothing and swaps nothing; the caller stores account URLs as they come and
// deploys the chain. On the engine's thread.

#include <boost/asio/awaitable.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "controlplane/acme/acme_client.h"
#include "controlplane/acme/challenge.h"

namespace sallyport::acme {

struct Authority {
  std::string name;  // of the operator's choice, for status and log
  std::string directory_url;
  std::shared_ptr<tls::TlsPolicy> tls;  // whom to trust for it
  AccountWish account;
  AccountKey key;
  std::string account_url;     // empty: register
  std::string preferred_root;  // common name; empty: what it offers first
  std::string profile;         // empty: its default
  int64_t not_before_s = 0;    // Unix time before which it asked to be left alone
};

struct OrderJob {
  std::string request_der;             // PKCS#10; its DNS names are what is ordered
  std::vector<Authority> authorities;  // tried in this order
  std::vector<Solver*> solvers;        // tried in this order; each outlives the run
  std::string replaces;                // renewal ID of the certificate in use; empty: none
  std::string replaces_authority;      // that issued it; only it is told
  tls::SocketAddress local;            // to connect from; unset: the kernel chooses
  std::chrono::milliseconds request_deadline{30000};
  std::chrono::milliseconds poll_min{1000}, poll_max{30000}, patience{300000};
  std::function<void(const std::string& authority, const std::string& account_url)> on_account;  // newly made or found
  std::function<void(const std::string& what)> on_progress;  // "authority le: waits for the validation of a.example"
};

struct IssuedCertificate {
  CertificateChain chain;
  std::string authority;
};

struct AuthorityFailure {
  std::string authority;
  Fault fault;
  Refusal refusal;
};

struct OrderReport {
  std::optional<IssuedCertificate> issued;
  std::vector<AuthorityFailure> failures;  // in order; may stand beside a success of a later authority

  // Precondition: nothing issued. One Fault that tells what each authority said.
  Fault fault() const;
  // When the first of them may be asked again; nullopt: one of them set no time.
  std::optional<int64_t> retry_after_s() const;
  bool is_rate_limited() const;  // by all of them
};

boost::asio::awaitable<OrderReport> run_order(tls::StreamEngine& engine, dns::Resolver& resolver, OrderJob job);

}  // namespace sallyport::acme
