// SPDX-License-Identifier: Apache-2.0
#pragma once
// AcmeKeeper: keeps the certificates of the slots that are switched to ACME (C28 to C30): orders when one is missing, renews in time,
// puts what was issued into the vault once it was judged there, and tells the state of each. One order runs at a time, so that the
// port for challenges is open shortly. Until a new certificate is installed the old one serves. On the node's thread; run() ends
// after stop(), an order under way with it.

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "controlplane/acme/acme_schedule.h"
#include "controlplane/certificates/acme_store.h"
#include "controlplane/certificates/certificate_vault.h"
#include "controlplane/certificates/needed_names.h"
#include "controlplane/dns/resolver.h"
#include "controlplane/tls/stream_engine.h"

namespace sallyport::node {

struct AcmeKeeperSettings {
  std::string node_name;
  tls::SocketAddress http_address;  // port 80, open while a challenge runs; unset: no such challenge here
  tls::SocketAddress tls_address;   // port 443, the same
};

struct AcmeCounters {
  uint64_t orders = 0, issued = 0, failed = 0;
};

class AcmeKeeper : public std::enable_shared_from_this<AcmeKeeper> {
 public:
  using Log = std::function<void(const std::string&)>;
  using Names = std::function<Outcome<certificates::NeededNames>(const certificates::Slot&)>;

  AcmeKeeper(boost::asio::io_context& io, tls::StreamEngine& engine, dns::Resolver& resolver, certificates::CertificateVault& vault, certificates::AcmeStore& store, AcmeKeeperSettings settings, Names names, Log log);

  static boost::asio::awaitable<void> run(std::shared_ptr<AcmeKeeper> self);
  // For the node's end: shuts the ports of challenges; an order under way is not resumed any more.
  void stop();
  // Authorities, slots or settings changed: looks again at once.
  void look_again();
  // Due now, whatever the schedule says. Fault missing: the slot is not kept by ACME.
  Outcome<> renew_now(const certificates::Slot& slot);
  // Gives the account there a new key; it stays the same account. Not while an order runs.
  boost::asio::awaitable<Outcome<>> change_account_key(std::string authority);

  // In the order of the slots.
  std::vector<std::pair<certificates::Slot, acme::DomainStatus>> status() const;
  const AcmeCounters& counters() const { return counters_; }

 private:
  struct Kept {
    certificates::Slot slot;
    acme::DomainStatus status;
    int64_t due_s = 0;      // of the next attempt
    int64_t advice_s = 0;   // when the authority is asked again when to renew; 0: never
    std::string authority;  // that issued what is in use
  };
  void take_config();
  void schedule(Kept& kept);
  Kept* find_due(int64_t Kept::* when);
  Kept* find(const std::string& slot);
  std::chrono::seconds pause() const;
  double draw(const Kept& kept) const;
  boost::asio::awaitable<void> renew(std::string slot);
  boost::asio::awaitable<void> ask_advice(std::string slot);
  Outcome<acme::AccountKey> account_key(const std::string& authority);
  Outcome<acme::Authority> authority_of(const certificates::AcmeAuthority& config);
  Outcome<std::unique_ptr<acme::Solver>> make_solver(const certificates::AcmeConfig& config);
  void fail(const std::string& slot, const Fault& fault);

  tls::StreamEngine& engine_;
  dns::Resolver& resolver_;
  certificates::CertificateVault& vault_;
  certificates::AcmeStore& store_;
  const AcmeKeeperSettings settings_;
  Names names_;
  Log log_;
  boost::asio::steady_timer timer_;
  bool stopped_ = false, is_busy_ = false;
  std::map<std::string, int64_t> left_alone_until_s_;  // by authority, where it asked for that
  std::unique_ptr<acme::Solver> solver_;  // of the order that runs; here and not in its coroutine, which may outlive the engine
  std::map<std::string, Kept> kept_;      // by slot text
  AcmeCounters counters_;
};

}  // namespace sallyport::node
