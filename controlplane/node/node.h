// SPDX-License-Identifier: Apache-2.0
#pragma once
// Node: one control plane, put together: engine, TLS, dataplane link, media, proxy with the router of its role, zones. Owns all
// of it; lives on the thread that runs its io_context. start() either has everything open or says what is wrong.

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "controlplane/accounts/audit_log.h"
#include "controlplane/accounts/doorkeeper.h"
#include "controlplane/calls/call_table.h"
#include "controlplane/certificates/acme_store.h"
#include "controlplane/certificates/certificate_vault.h"
#include "controlplane/certificates/certificate_watch.h"
#include "controlplane/certificates/needed_names.h"
#include "controlplane/certificates/onboarding_store.h"
#include "controlplane/certificates/pair_store.h"
#include "controlplane/config/node_config.h"
#include "controlplane/dns/resolver.h"
#include "controlplane/media/media_plane.h"
#include "controlplane/node/acme_keeper.h"
#include "controlplane/node/chat_node_keeper.h"
#include "controlplane/node/handover.h"
#include "controlplane/node/node_credentials.h"
#include "controlplane/node/pair_keeper.h"
#include "controlplane/node/revocation_keeper.h"
#include "controlplane/onboarding/onboarding_server.h"
#include "controlplane/proxy/call_control_access.h"
#include "controlplane/proxy/client_access.h"
#include "controlplane/proxy/edge_router.h"
#include "controlplane/proxy/inner_router.h"
#include "controlplane/proxy/proxy.h"
#include "controlplane/store/site_store.h"
#include "controlplane/tls/listener.h"
#include "controlplane/tls/refused_names.h"
#include "controlplane/xmpp/client_streams.h"
#include "controlplane/xmpp/presence_access.h"
#include "controlplane/zones/multiplex_client.h"
#include "controlplane/zones/multiplex_server.h"
#include "controlplane/zones/traversal_client.h"
#include "controlplane/zones/traversal_server.h"

namespace sallyport::node {

// One connection of the stream multiplex with a peer of a zone, as either node sees it.
struct MultiplexState {
  uint32_t number = 0;  // as C counts them; 0: not known
  zones::PeerState state = zones::PeerState::idle;
  std::string text;  // TLS version and cipher when active, else what is wrong
  std::string address;
  bool is_retired = false;  // it ends with its last channel
  size_t channels = 0;
  uint64_t round_trip_us = 0;  // 0: not measured yet
  uint64_t changed_ms = 0, connects = 0, failures = 0;
};

// E: the authority that a C onboards phones by.
struct ToldAuthority {
  std::string zone, peer;
  certificates::CertificatePtr certificate;
};

class Node final : private media::MediaListener {
 public:
  using Log = std::function<void(const std::string&)>;

  // `version` is told to the other node.
  Node(boost::asio::io_context& io, config::NodeConfig config, Log log, std::string version = {});
  ~Node();

  Outcome<> start();
  // The node file's live keys, certificates, keys and CAs anew, and what another process wrote into the store. All or nothing:
  // a file that is broken or changes what needs a restart leaves everything as it was.
  Outcome<> reload();
  // No new connections, new calls get 503; `done` when no call runs or the deadline is over.
  void drain(std::chrono::milliseconds deadline, std::function<void()> done);

  // For a successor over exec(): the sockets this node is reached at, open but no longer served. `done` when what was begun is over
  // (transactions, handshakes) or the deadline is; media goes on.
  std::vector<int> hand_over(std::chrono::milliseconds deadline, std::function<void()> done);
  // When that is done: what connections of phones can go on beside the successor, and who is registered over them.
  void give_flows(tls::ConnectionKeeper& keeper, Handover& handover);
  // The successor, once started.
  void take_flows(const Handover& handover);

  const config::NodeConfig& config() const { return config_; }
  uint64_t now_ms() const { return wheel_.now_ms(); }
  const std::vector<std::unique_ptr<zones::TraversalServer>>& zone_servers() const { return zone_servers_; }
  zones::TraversalServer* zone_server(std::string_view name) const;  // null: none
  const std::vector<std::shared_ptr<zones::TraversalClient>>& zone_clients() const { return zone_clients_; }
  store::SiteStore& site_store() { return *store_; }
  certificates::CertificateVault& vault() { return *vault_; }
  certificates::AcmeStore& acme_store() { return *acme_store_; }
  AcmeKeeper& acme_keeper() { return *acme_keeper_; }
  RevocationKeeper& revocation_keeper() { return *revocation_keeper_; }
  const tls::StapleBook& staples() const { return *staples_; }
  certificates::PairStore& pair_store() { return *pair_store_; }
  PairKeeper& pair_keeper() { return *pair_keeper_; }
  certificates::OnboardingStore& onboarding_store() { return *onboarding_store_; }
  const std::vector<ToldAuthority>& told_authorities() const { return told_authorities_; }
  const tls::Listener* onboarding_listener() const { return onboarding_listener_.get(); }  // null: no C onboards phones, or this is C
  const std::string& onboarding_fault() const { return onboarding_fault_; }                // why it is not open though one does
  const onboarding::OnboardingCounters& onboarding_counters() const;
  accounts::Doorkeeper& doorkeeper() { return *doorkeeper_; }
  accounts::AuditLog& audit_log() { return *audit_log_; }
  const tls::RefusedNames& refused_names() const { return refused_names_; }
  const zones::MultiplexServer* multiplex_server() const { return multiplex_server_.get(); }  // null on C
  const std::vector<std::shared_ptr<zones::MultiplexClient>>& multiplex_clients() const { return multiplex_clients_; }
  const tls::Listener* multiplex_listener() const { return multiplex_listener_.get(); }  // null on C
  // By number. Never empty: where nothing is, that is said.
  std::vector<MultiplexState> multiplex_states(std::string_view zone, std::string_view peer) const;
  media::DataplaneLink& dataplane() { return media_.dataplane(); }
  media::MediaPlane& media() { return media_; }
  calls::CallTable& calls() { return calls_; }
  proxy::Proxy& sip_proxy() { return *proxy_; }
  proxy::RegistrationTable& registrations() { return registrations_; }
  proxy::CallControl& call_control() { return call_control_; }
  proxy::EdgeRouter* edge_router() { return edge_router_.get(); }
  proxy::InnerRouter* inner_router() { return inner_router_.get(); }
  proxy::ClientAccess* clients() { return clients_.get(); }
  const xmpp::ClientStreams* client_streams() const { return client_streams_.get(); }      // null: none are taken here
  ChatNodeKeeper* chat_node_keeper() const { return chat_node_keeper_.get(); }             // null: as presence_access()
  const xmpp::PresenceAccess* presence_access() const { return presence_access_.get(); }  // null: no presence server here
  const std::vector<std::unique_ptr<tls::Listener>>& xmpp_listeners() const { return xmpp_listeners_; }
  tls::Listener* client_listener() { return client_listener_.get(); }
  const std::vector<std::unique_ptr<tls::Listener>>& zone_listeners() const { return zone_listeners_; }
  tls::StreamEngine& engine() { return *engine_; }
  dns::Resolver& resolver() { return *resolver_; }
  const tls::CredentialStore& credentials() const { return *credentials_.listeners(); }
  const std::shared_ptr<tls::CredentialStore>& listener_credentials() const { return credentials_.listeners(); }
  const tls::CredentialStore& call_control_credentials() const { return *credentials_.call_control(); }
  std::vector<certificates::CertificateAlarm> certificate_alarms() const;
  std::vector<certificates::ClockSkew> clock_skews() const;  // of nodes that are connected
  // What is connected now by the word of that authority: "zone Traversal zone, peer e1.example.com".
  std::vector<std::string> dependants_of(certificates::TrustPurpose purpose, const std::string& fingerprint) const;
  // What decides which names this node's certificates need.
  certificates::NameFacts name_facts() const;
  // Media link slot of a zone peer; -1 none.
  int media_link_of(uint64_t link_id);
  // What keeps calls from having media; empty: nothing.
  const std::string& media_exhausted() const { return exhausted_; }
  const std::string& dataplane_text() const { return dataplane_text_; }

 private:
  sip::FlowTokens flow_tokens(std::string_view purpose) const;
  Outcome<> start_edge();
  Outcome<> start_inner();
  Outcome<> open_zone(const store::Zone& zone);
  Outcome<> listen_for_zone(const store::Zone& zone, zones::TraversalServer& server);
  std::string realm_of(const store::Zone& zone) const;
  std::optional<std::string> zone_of_sip_domain(std::string_view domain) const;
  tls::TlsPolicyOptions tls_options(tls::TlsRole role) const;
  void close_zone(const std::string& name);
  void join_zone(const store::Zone& zone);
  void leave_zone(const std::string& name);
  // The operator changed the site: zones that did not change keep their connections.
  void apply_site(const store::SiteConfig& before, const store::SiteConfig& after);
  Outcome<> open_store();
  Outcome<> open_accounts();
  void start_acme();
  // What serves from files, and every authority known here, for who asks about revocation.
  std::vector<ServedFile> served_files() const;
  std::vector<std::shared_ptr<X509>> known_authorities() const;
  Outcome<> make_revocation_keeper();
  void on_client_handshake_failure(const tls::SocketAddress& source, const tls::HandshakeFailure& failure);
  // The pair's certificates (node_pairing.cc).
  struct ZonePolicies {
    std::shared_ptr<tls::TlsPolicy> zone, multiplex;
  };
  void start_pairing();
  void use_pairs();
  ZonePolicies zone_policies(const std::string& peer) const;  // how C dials that peer
  // The next handshakes show and trust what the store holds now; nothing that is connected ends.
  void apply_certificates();
  std::string ha1_of(std::string_view user, sip::DigestAlgorithm algorithm) const;
  // Onboarding of phones (node_onboarding.cc).
  Outcome<> start_onboarding();
  Outcome<> apply_onboarding();
  void on_peer_facts();
  void follow_onboarding();
  Outcome<> open_onboarding();
  std::vector<multiplex::SessionPtr> desks_for(const onboarding::OnboardingRequest& request, const std::string& sni) const;
  boost::asio::awaitable<Outcome<std::string>> ask_for_phone(onboarding::OnboardingRequest request, std::string sni);
  void take_onboarding_channel(const multiplex::ChannelPtr& channel);
  Outcome<std::string> onboard(const onboarding::OnboardingRequest& request);
  // The stream multiplex (node_multiplex.cc).
  Outcome<> open_multiplex();
  // As many connections as are wanted: those that are there stay.
  void join_multiplex(const store::Zone& zone, const std::string& peer, const std::string& password);
  void dial_multiplex(const store::Zone& zone, const std::string& peer, const std::string& password, uint32_t number);
  void use_multiplex_connections(uint32_t wanted);
  void forget_retired_multiplex();
  void leave_multiplex(const std::string& zone);
  tls::TlsPolicyOptions multiplex_tls(tls::TlsRole role) const;
  std::vector<zones::MultiplexZone> multiplex_zones() const;
  // XMPP (node_xmpp.cc).
  Outcome<> open_client_streams();
  Outcome<> open_presence();
  void watch_chat_nodes();
  std::string zone_of_xmpp_domain(const std::string& domain) const;  // empty: none
  boost::asio::awaitable<Outcome<multiplex::ChannelPtr>> open_presence_channel(std::string domain, multiplex::Fields fields, std::shared_ptr<std::string> zone);
  zones::PeerFacts own_facts() const;
  std::vector<std::string> chat_node_aliases() const;  // configured and found (B24)
  void on_multiplex_channel(const multiplex::ChannelPtr& channel);  // C: what E opens
  zones::PeerFacts newest_facts();  // the same, as told to others
  void tell_facts();
  std::string name_link(uint64_t link_id, std::string_view zone, std::string_view peer);
  Outcome<zones::LinkOffer> offer_link(const std::string& zone, const std::string& host);
  void install_link(const std::string& name, const zones::LinkOffer& offer, const tls::SocketAddress& remote);
  void on_dataplane(media::DataplaneState state, const std::string& text) override;
  void on_link(uint16_t link, bool up) override;
  void on_exhausted(const Fault& fault, bool raised) override;
  void on_session_failed(media::MediaSession& session, const Fault& fault) override;
  void on_session_event(media::MediaSession& session, uint32_t line, media::FlowRole role, const abi::Event& event) override;
  void on_restored(std::vector<std::unique_ptr<media::MediaSession>> sessions) override;
  void keep_house();
  void originate(const std::shared_ptr<proxy::Hop>& hop, const std::string& request);
  void watch_drain(std::chrono::steady_clock::time_point end);
  void watch_quiet(std::chrono::steady_clock::time_point end);
  void watch_still(std::chrono::steady_clock::time_point end);
  bool is_quiet() const;
  uint64_t next_hop_id() { return ++last_hop_id_; }
  std::string peer_of_hop(uint64_t hop_id) const;
  std::string media_report_line(uint64_t hop_id);
  sip::FramerLimits framer_limits() const;
  Outcome<tls::SocketAddress> slot_address(std::string_view slot, uint16_t port) const;
  std::string slot_text(std::string_view slot) const;  // advertised, else ip; IPv6 in brackets

  boost::asio::io_context& io_;
  config::NodeConfig config_;  // after start() only what applies live changes
  Log log_;
  const std::string version_;
  proxy::TimerWheel wheel_;
  proxy::TimerSettings timers_;
  std::unique_ptr<tls::StreamEngine> engine_;
  std::unique_ptr<dns::Resolver> resolver_;
  NodeCredentials credentials_;
  std::string credentials_fault_;  // why what the vault holds is not served; empty: it is
  std::shared_ptr<tls::TlsPolicy> server_policy_, client_policy_, zone_policy_, multiplex_policy_, onboarding_policy_;
  media::MediaPlane media_;
  calls::CallTable calls_;
  proxy::RegistrationTable registrations_;
  proxy::CallControl call_control_;
  std::unique_ptr<proxy::EdgeRouter> edge_router_;
  std::unique_ptr<proxy::InnerRouter> inner_router_;
  std::unique_ptr<proxy::Proxy> proxy_;
  std::unique_ptr<proxy::ClientAccess> clients_;
  std::unique_ptr<proxy::CallControlAccess> call_control_access_;
  std::vector<std::unique_ptr<zones::TraversalServer>> zone_servers_;
  std::vector<std::unique_ptr<zones::TraversalServer>> retired_servers_;  // closed, their last connections still end
  std::vector<std::unique_ptr<tls::Listener>> zone_listeners_;
  std::vector<std::shared_ptr<zones::TraversalClient>> zone_clients_;
  std::unique_ptr<zones::MultiplexServer> multiplex_server_;
  std::unique_ptr<tls::Listener> multiplex_listener_;
  std::vector<std::shared_ptr<zones::MultiplexClient>> multiplex_clients_;
  std::unique_ptr<tls::Listener> client_listener_;
  std::unique_ptr<onboarding::OnboardingServer> onboarding_server_;  // E
  std::unique_ptr<tls::Listener> onboarding_listener_;               // E
  std::vector<ToldAuthority> told_authorities_;                      // E
  std::string onboarding_fault_;                                     // E
  bool has_new_facts_ = false;                                       // E
  std::chrono::steady_clock::time_point followed_facts_{};           // E
  onboarding::OnboardingCounters onboarding_counts_;                 // C
  std::unique_ptr<xmpp::ClientStreams> client_streams_;    // E, where it takes XMPP
  std::vector<std::unique_ptr<tls::Listener>> xmpp_listeners_;
  std::shared_ptr<ChatNodeKeeper> chat_node_keeper_;
  std::unique_ptr<xmpp::PresenceAccess> presence_access_;  // C, where it has presence servers
  std::unordered_map<uint64_t, std::string> peer_by_hop_;  // traversal hop to the name of its media link
  std::unordered_map<uint64_t, std::string> link_names_;   // the same by link id
  uint64_t facts_told_ms_ = 0;
  std::string exhausted_, dataplane_text_;
  bool is_starting_ = true;
  boost::asio::steady_timer house_timer_, drain_timer_, facts_timer_;
  std::function<void()> drained_;
  std::unique_ptr<store::SiteStore> store_;
  std::unique_ptr<certificates::CertificateVault> vault_;
  std::unique_ptr<certificates::AcmeStore> acme_store_;
  std::shared_ptr<AcmeKeeper> acme_keeper_;
  const std::shared_ptr<tls::StapleBook> staples_ = std::make_shared<tls::StapleBook>();
  std::shared_ptr<RevocationKeeper> revocation_keeper_;
  std::unique_ptr<certificates::PairStore> pair_store_;
  std::unique_ptr<certificates::OnboardingStore> onboarding_store_;
  std::shared_ptr<PairKeeper> pair_keeper_;
  std::unique_ptr<zones::PairServer> pair_server_;  // E
  std::map<std::string, ZonePolicies> paired_policies_;  // C, by peer
  std::unique_ptr<accounts::AccountStore> account_store_;
  std::unique_ptr<accounts::AuditLog> audit_log_;
  std::unique_ptr<accounts::Doorkeeper> doorkeeper_;
  tls::RefusedNames refused_names_;  // by clients of E
  uint64_t last_hop_id_ = 0;
  std::string run_;  // tells this run of the program from others, beside the revision of what it tells
  uint64_t facts_revision_ = 0;
};

media::MediaSettings media_settings(const config::NodeConfig& config);
media::Marking marking_of(const config::MediaSection& media);

}  // namespace sallyport::node
