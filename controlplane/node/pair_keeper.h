// SPDX-License-Identifier: Apache-2.0
#pragma once
// PairKeeper: the pair's certificates of the traversal link. On E it makes join tokens, judges who redeems them and who renews, and keeps E's own
// certificate fresh; on C it joins, and renews at two thirds of a certificate's life with a key of its own each time. What was issued goes
// into the PairStore, whose listener sees to it that the next handshake uses it. On the node's thread; run() ends after stop().

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "controlplane/certificates/certificate_watch.h"
#include "controlplane/certificates/pair_store.h"
#include "controlplane/dns/resolver.h"
#include "controlplane/tls/stream_engine.h"
#include "controlplane/zones/join_token.h"
#include "controlplane/zones/pair_exchange.h"

namespace sallyport::node {

struct PairKeeperSettings {
  bool is_e = true;
  std::string fqdn;
  std::vector<std::string> own_names;  // E: of its own certificate: FQDN, and addresses it may be dialled by
  std::uint16_t multiplex_port = 2222;
  std::uint32_t certificate_life_s = 7 * 86400;
  // C: how it dials.
  tls::SocketAddress local;
  std::uint16_t local_port_low = 0, local_port_high = 0;
};

// E: a zone that C nodes may join.
struct PairZone {
  std::string name, user;
  std::uint16_t port = 0;
  std::vector<std::string> subject_names, sip_domains;
};

struct Joined {
  std::string peer, serial;
  std::int64_t valid_until_s = 0;
  zones::PairAnswer zone;
};

struct PairCounters {
  std::uint64_t tokens = 0, joined = 0, renewed = 0, refused = 0, failed = 0;
};

class PairKeeper : public std::enable_shared_from_this<PairKeeper> {
 public:
  using Log = std::function<void(const std::string&)>;
  using FindZones = std::function<std::vector<PairZone>()>;

  PairKeeper(boost::asio::io_context& io, tls::StreamEngine& engine, dns::Resolver& resolver, certificates::PairStore& store, PairKeeperSettings settings, FindZones find_zones, Log log);

  static boost::asio::awaitable<void> run(std::shared_ptr<PairKeeper> self);
  void stop();

  // E. zone empty: the only one; host empty: this node's FQDN.
  Outcome<zones::JoinToken> make_token(const std::string& zone, std::int64_t life_s, const std::string& host, const std::string& actor);
  Outcome<zones::PairAnswer> answer(const zones::PairRequest& request, const tls::TlsFacts& facts, const tls::SocketAddress& source);

  // C.
  boost::asio::awaitable<Outcome<Joined>> join(zones::JoinToken token, std::string actor);
  Outcome<> renew_now(const std::string& peer);

  struct Renewal {
    std::int64_t due_s = 0;  // of the next attempt
    std::uint64_t failures = 0;  // in a row
    std::string reason;  // of the last one
  };
  const Renewal* renewal(const std::string& peer) const;  // null: none is planned
  std::vector<certificates::CertificateAlarm> alarms() const;
  const PairCounters& counters() const { return counters_; }

 private:
  void schedule();
  bool has_own_names(const certificates::PairIdentity& identity) const;
  void renew_own();
  boost::asio::awaitable<void> renew(std::string peer);
  boost::asio::awaitable<Outcome<zones::PairAnswer>> enrol(std::string host, std::uint16_t port, std::shared_ptr<tls::TlsPolicy> policy, zones::PairRequest request, certificates::KeyPtr key);
  Outcome<std::vector<certificates::CertificatePtr>> judge_answer(const zones::PairAnswer& answer, EVP_PKEY* key, const std::string& peer) const;
  Outcome<std::string> zone_of(const zones::PairRequest& request, const std::string& fqdn, const tls::TlsFacts& facts, std::int64_t now_s);
  Outcome<zones::PairAnswer> enrolled(const zones::PairRequest& request, const tls::TlsFacts& facts);
  void fail(const std::string& peer, const Fault& fault);

  tls::StreamEngine& engine_;
  dns::Resolver& resolver_;
  certificates::PairStore& store_;
  const PairKeeperSettings settings_;
  FindZones find_zones_;
  Log log_;
  boost::asio::steady_timer timer_;
  bool stopped_ = false;
  std::map<std::string, Renewal> renewals_;  // by peer
  PairCounters counters_;
};

}  // namespace sallyport::node
