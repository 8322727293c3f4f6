// SPDX-License-Identifier: Apache-2.0
#pragma once
// NodeView: what the administration interface may ask a running node. The control plane implements it; the API only reads.
// Every call is a coroutine resumed on the API's executor, so an implementation may hop to the threads that own the facts.
// It must end when cancelled (asio cancellation), because the API gives up after a time. Values are copies taken at one moment;
// lists are bounded by `limit` where there is one. Times are UTC in RFC 3339.

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "dataplane/abi/fault.h"

namespace sallyport::api {

struct DataplaneView {
  bool running = false;
  std::string state;    // "running", "absent: no answer on /run/...", "adopting"
  std::uint32_t pid = 0;
  std::string profile;  // "packet"
  std::string crypto;   // "AVX512"
  std::string steering;
  std::uint32_t workers = 0;
  std::uint32_t flows = 0, flow_capacity = 0;
  std::uint64_t epoch = 0;
};

struct CertificateView {
  std::string use;  // "server", "client", "ca"
  std::string subject, issuer, serial, not_after;
  std::vector<std::string> names;  // SAN
};

struct AlarmView {
  std::string kind;  // stable: "dataplane_absent", "port_range_exhausted"
  std::string since;
  std::string text;
  bool impairs = true;  // something does not work because of it; false: it will, or somebody complains
};

struct CallControlView {
  std::string name, host, transport;
  std::uint16_t port = 0;
  std::string state;  // "up", "down", "probing"
  std::string reason;
  std::string registrar_mode;  // in force: "path", "contact", "unknown"
  std::string since;
};

struct StatusView {
  std::string node, role, fqdn, version;
  std::uint32_t pid = 0;
  std::string instance;  // another one after each start, also where the pid stays (upgrade)
  std::string started;
  std::uint64_t uptime_s = 0;
  std::string state;  // "ready", "degraded", "draining"
  std::uint64_t site_revision = 0;
  DataplaneView dataplane;
  std::uint64_t registrations = 0, calls = 0, client_connections = 0, transactions = 0;
  std::vector<CallControlView> call_control;  // C
  std::vector<CertificateView> certificates;
  std::vector<AlarmView> alarms;
};

// State of one peer of a zone: on C one per configured peer address, on E one per connected client.
struct PeerView {
  std::string name;     // as configured; on E the SAN that matched
  std::string address;  // "192.0.2.10:7001" once known
  std::string state;    // "resolving", "tcp", "tls", "authentication", "active", "failed"
  std::string reason;   // of failed: names issuer, serial, missing SAN, port or credential
  std::string since;
  std::string warning;  // A30: "peer is an IP address"
  std::string tls;      // "TLSv1.3 TLS_AES_256_GCM_SHA384"
  std::string media_link;  // "up", "down: ..."
  std::string multiplex;   // of the stream multiplex: "active", "failed: ..."
  std::uint64_t channels = 0;                 // on it
  std::uint32_t multiplex_round_trip_us = 0;  // 0: not measured
  std::uint64_t connects = 0, failures = 0, keepalives = 0;
  std::uint32_t round_trip_us = 0;
};

struct ZoneView {
  std::string name, type, role;  // role: "client" on C, "server" on E
  std::uint16_t port = 0;
  std::string user, transport, tls_verify, media_encryption, authentication_policy;
  std::vector<std::string> tls_verify_subject_names;
  std::vector<std::string> sip_domains;
  std::vector<PeerView> peers;
};

struct RegistrationView {
  std::string aor;      // "sip:alice@example.com"
  std::string contact;
  std::string instance;
  std::string source;   // "203.0.113.7:40512"
  std::string user_agent;
  std::string transport;
  std::string state;    // "registered", "flow lost"
  std::string zone;
  std::uint64_t expires_in_s = 0;
  bool outbound = false;  // RFC 5626
};

// One direction of one medium as the dataplane carries it.
struct StreamView {
  std::string kind;       // "audio", "video", "application"
  std::string direction;  // "from_client", "to_client", "from_inside", "to_inside", "from_peer", "to_peer"
  std::string component;  // "rtp", "rtcp"
  std::string suite;      // "AES_CM_128_HMAC_SHA1_80", "none" (clear), "opaque" (passes sealed, no key here)
  std::string local;      // "192.0.2.10:36010"
  std::string remote;     // latched source or destination; empty: not known yet
  std::string latch;      // "tentative", "confirmed", "waiting", ""
  std::uint32_t flow = 0;
  std::optional<std::uint32_t> multiplex_id;
  std::uint64_t packets = 0, bytes = 0, dropped = 0;
  // Quality of RTP in this direction of this leg. What arrives is measured here; what leaves is known where RTCP that comes back is seen
  // in clear. Empty: not known.
  std::string told_by;                   // "measured", "reported" (by the far end's RTCP)
  std::optional<std::uint64_t> lost;     // measured
  std::optional<double> loss_percent, jitter_ms;
  std::optional<double> round_trip_ms;   // of the leg, by RTCP
  std::optional<double> mos;             // estimated, audio only
};

struct LegView {
  std::string side;      // "client", "traversal", "inside"
  std::string remote_party;
  std::string codec;     // first payload of the answer, "opus/48000/2"
  std::string rtcp;      // "seen in clear", "sealed, not seen here"
  std::string mos_basis; // where the codec's impairment is from: "G.113: ...", "assumed: ..."
  std::vector<StreamView> streams;
};

struct CallView {
  std::string id;        // short, unique on the node, what `calls show` takes
  std::string call_id;   // SIP Call-ID
  std::string from, to;  // addresses of record
  std::string state;     // "inviting", "early", "established", "ended"
  std::string started, answered, ended;  // empty: not yet
  std::uint64_t duration_s = 0;
  std::string end_reason;  // "BYE from A", "486 Busy Here"
  std::optional<double> mos;  // lowest of its directions
  std::string worst_leg;   // "outside leg, from the phone: 4.1 % lost"; empty: none is bad
  std::vector<LegView> legs;
};

struct FlowView {
  std::uint32_t index = 0, generation = 0, worker = 0;
  std::string call;      // CallView::id, empty: not known
  std::string verbs;     // "relay", "open", "seal+mux"
  StreamView stream;
};

struct CounterView {
  std::string name;  // "dataplane_drops_total", shown as sallyport_...; "_total" makes it a counter, anything else a gauge
  std::vector<std::pair<std::string, std::string>> labels;
  double value = 0;
  std::string help;
};

// One layer of the traversal test, in the order they were tried.
struct TestStepView {
  std::string peer;
  std::string layer;    // "dns", "tcp", "tls", "san", "digest", "udp_rtp", "udp_rtcp", "multiplex", "icmp"
  std::string verdict;  // "passed", "failed", "skipped", "information"
  std::string detail;   // "192.0.2.10 in 3 ms", "refused: nothing listens on 192.0.2.10:7001"
  std::uint32_t took_us = 0;
};

// What a client outside finds of a domain.
struct DiscoveryView {
  std::string domain;  // or the node's own name
  bool passed = false;
  std::vector<TestStepView> steps;  // layers "collab_edge", "sips", "address", "sni", "node", "inside", "own_name"
};

struct TraversalTestView {
  std::string zone;
  bool passed = false;
  std::string summary;  // "edge.example.com cannot be reached" only when TCP fails too (A21)
  std::vector<TestStepView> steps;
};

struct CallQuery {
  bool with_ended = true;  // calls that ended lately, as many as the node remembers
  std::size_t limit = 1000;
  bool with_quality = false;  // of the newest thousand: it costs a look at each of their flows
};

struct CaptureQuery {
  std::string call;  // its id
  bool decrypted = false;
  std::uint32_t seconds = 60;
  std::uint64_t packets = 0;
};

// Packets of a call as they are copied; destroying it ends that. Used on the API's executor only.
class CaptureFeed {
 public:
  virtual ~CaptureFeed() = default;
  virtual std::string take() = 0;  // of a pcapng file, whole blocks; empty: nothing waits
  virtual bool has_waiting() const = 0;
  virtual bool has_ended() const = 0;
  virtual std::string outcome() const = 0;  // "120 packets, the time is over"
  virtual void on_ready(std::function<void()> ready) = 0;  // something waits, or it has ended
};

// Which certificate a listener shows for a name, and why.
struct ServedView {
  std::string sni;
  std::string listener;             // "sip-tls outside, 198.51.100.10:5061"
  std::string match;                // "exact", "wildcard", "platform", "none"
  std::vector<std::string> served;  // one or two labels: "domain example.com"
  std::string text;                 // the same as a sentence
  std::vector<std::string> revocation;  // of each that is served: what its authority says, and its staple
};

// A name whose certificate clients refused (C08).
struct RefusedNameView {
  std::string name;  // empty: none was asked for
  std::uint64_t times = 0;
  std::size_t sources = 0;  // addresses within the last hour, at most 8
  int alert = -1;           // of the latest
  std::string text;
  std::string source;       // "203.0.113.9:40312"
  std::string at;
};

// A name that a certificate of a slot needs (B06 to B36), in the order in which a request carries them.
struct NeededNameView {
  std::string name;    // "DNS:edge.example.com"; empty: no request can be made, for the reason
  std::string reason;  // "this node", "chat node alias"
};

// A trusted certificate that stands in a file of the node file.
struct TrustFileView {
  std::string purpose, file, subject, serial, not_after, fingerprint;
};

// A slot that is kept by ACME (C29).
struct AcmeView {
  std::string slot;
  std::string state;  // "pending", "ready", "deployed", "failed"
  std::string text;   // "valid until ...", "failed: REASON; next attempt ..."
  std::string authority, valid_until, next_attempt;
  std::uint64_t failures = 0;  // in a row
};

// What the authority of a certificate says of it (OCSP or revocation list). Only of those that name who tells.
struct RevocationView {
  std::string slot, serial;
  std::string state;   // "good", "revoked", "unknown", "unchecked"
  std::string source;  // "ocsp", "crl", "none"
  std::string url, text, problem;
  std::string told, valid_until, revoked_at, reason, next_check, staple_until;  // empty: none
  std::optional<std::uint64_t> staple_age_s;  // of what is stapled now
  bool must_staple = false;
};

// A certificate of this node for the traversal link.
struct PairIdentityView {
  std::string peer;  // of C: E's host; of E: empty
  std::string zone, serial, names, not_after, next_renewal;
  std::string failure;  // of the last attempt to renew; empty: none
};

// E: a C node that joined.
struct PairedNodeView {
  std::string fqdn, zone, serial, joined, issued, not_after;
};

struct OpenTokenView {
  std::string id, zone, expires;
};

struct PairView {
  std::string role;
  std::string authority, authority_fingerprint, authority_not_after;  // E
  std::vector<PairIdentityView> identities;
  std::vector<PairedNodeView> nodes;
  std::vector<OpenTokenView> tokens;
};

struct JoinTokenView {
  std::string token;  // a secret: shown once
  std::string id, zone, expires, host;
  std::uint16_t port = 0;
};

// What C was told when it joined.
struct JoinedView {
  std::string peer, serial, not_after;
  std::string zone, user;
  std::uint16_t zone_port = 0;
  std::vector<std::string> sip_domains;
};

// The authority that phones are onboarded by.
struct PhoneAuthorityView {
  std::string zone, node;  // of C
  std::string subject, serial, fingerprint, not_after, pem;
};

struct OpenCodeView {
  std::string device, made, expires;
  std::uint32_t failures = 0;
};

struct OnboardedView {
  std::string device, serial, first, issued, not_after;
  std::string state;  // "valid", "over", "withdrawn"
};

struct OnboardingView {
  std::string role;
  bool on = false;
  std::string listener, problem;  // E: its address; why it is not open
  std::size_t endpoint_authorities = 0;  // E: others whose phones may come
  std::vector<PhoneAuthorityView> authorities;
  std::vector<OpenCodeView> codes;      // C
  std::vector<OnboardedView> devices;   // C
};

struct ActivationCodeView {
  std::string device;
  std::string code;  // a secret: shown once
  std::string expires;
};

struct ProbedCertificateView {
  std::string subject, issuer, serial, fingerprint, not_after, names, pem;
  bool is_self_signed = false;
};

// What a TLS server showed, and what is to be said of it.
struct ProbedView {
  std::string address, tls_version, tls_cipher;
  bool is_trusted = false;  // by the authorities of the purpose
  std::vector<ProbedCertificateView> chain;  // leaf first
  std::vector<std::string> findings;
};

struct UpgradeView {
  std::string from, to;  // versions
  std::string binary;
};

// A client's XMPP stream as this node carries it; E and C give it one id.
struct XmppStreamView {
  std::string id, domain;
  std::string by;      // E: zone it goes to; C: presence server
  std::string source;  // of the client, as E saw it
  std::string sni, tls;
  std::string state;   // E: opening, securing, routing, authenticating, established; C: the last two
  std::string since;
  std::uint64_t stanzas = 0;  // E: of the client
  std::uint64_t from_client_bytes = 0, to_client_bytes = 0;
};

struct PresenceView {
  std::string name, host, transport;
  std::uint16_t port = 0;
  std::uint32_t priority = 0;
  std::vector<std::string> domains;
  std::string state;  // unknown, up, failing
  std::string text;   // of the last attempt
  std::uint64_t streams = 0, connects = 0, failures = 0;
};

class NodeView {
 public:
  template <class T>
  using Awaitable = boost::asio::awaitable<T>;
  virtual ~NodeView() = default;

  virtual Awaitable<StatusView> status() = 0;
  virtual Awaitable<std::vector<ZoneView>> zones() = 0;
  virtual Awaitable<std::vector<RegistrationView>> registrations(std::size_t limit) = 0;
  virtual Awaitable<std::vector<CallView>> calls(CallQuery query) = 0;     // legs may be left out
  virtual Awaitable<std::optional<CallView>> call(std::string id) = 0;     // with legs and streams
  virtual Awaitable<std::vector<XmppStreamView>> xmpp_streams(std::size_t limit) = 0;  // longest first
  virtual Awaitable<std::vector<PresenceView>> presence() = 0;                          // E: none
  virtual Awaitable<std::vector<FlowView>> flows(std::size_t limit) = 0;
  // port 0: any listener, all show the same. Fault missing: no TLS listener has that port.
  virtual Awaitable<Outcome<ServedView>> explain_sni(std::string sni, std::uint16_t port) = 0;
  virtual Awaitable<std::vector<RefusedNameView>> refused_names() = 0;  // most refused first
  virtual Awaitable<std::vector<NeededNameView>> needed_names(std::string slot) = 0;
  virtual Awaitable<std::vector<TrustFileView>> trust_files() = 0;
  virtual Awaitable<std::vector<AcmeView>> acme() = 0;
  // Orders it now. Fault missing: the slot is not kept by ACME.
  virtual Awaitable<Outcome<>> renew_by_acme(std::string slot) = 0;
  virtual Awaitable<Outcome<>> change_acme_key(std::string authority) = 0;
  virtual Awaitable<std::vector<RevocationView>> revocation() = 0;
  // Asks the authority now. Fault missing: nothing of the slot names who tells; refused: it is switched off.
  virtual Awaitable<Outcome<>> check_revocation(std::string slot) = 0;
  virtual Awaitable<PairView> pair() = 0;
  // E. zone empty: the only one; host empty: the node's FQDN.
  virtual Awaitable<Outcome<JoinTokenView>> make_join_token(std::string zone, std::int64_t seconds, std::string host, std::string actor) = 0;
  // C. May take as long as dialling E does.
  virtual Awaitable<Outcome<JoinedView>> join_pair(std::string token, std::string actor) = 0;
  virtual Awaitable<Outcome<>> renew_pair(std::string peer) = 0;
  // E: a node that joined; C: a peer it joined. Fault missing: no such.
  virtual Awaitable<Outcome<>> remove_pair(std::string node, std::string actor) = 0;
  virtual Awaitable<Outcome<>> withdraw_join_token(std::string id, std::string actor) = 0;
  virtual Awaitable<Outcome<OnboardingView>> onboarding(std::size_t limit) = 0;
  // C. Fault conflict: it is E, or onboarding is off.
  virtual Awaitable<Outcome<ActivationCodeView>> make_activation_code(std::string device, std::int64_t seconds, std::string actor) = 0;
  virtual Awaitable<Outcome<>> withdraw_device(std::string device, std::string actor) = 0;
  // What would no longer connect without that authority: "zone Traversal zone, peer e1.example.com".
  virtual Awaitable<std::vector<std::string>> depends_on_authority(std::string purpose, std::string fingerprint) = 0;
  // Counters that are not in the MetricRegistry, e.g. those of the shared region.
  virtual Awaitable<std::vector<CounterView>> counters() = 0;
  // E. domain empty: every domain that clients use here.
  virtual Awaitable<Outcome<std::vector<DiscoveryView>>> test_discovery(std::string domain) = 0;
  // What a TLS server shows, whoever vouches for it. Fault: it cannot be reached, or speaks no TLS.
  virtual Awaitable<Outcome<ProbedView>> probe_certificate(std::string host, std::uint16_t port, std::string purpose) = 0;
  // zone empty: every zone. Fault missing: no such zone.
  virtual Awaitable<Outcome<std::vector<TraversalTestView>>> test_traversal(std::string zone) = 0;
  // Replaces the running control plane by that program (empty: the file it was started from), once it was found fit; media goes on.
  // The answer comes before the change. Fault: nothing was changed.
  virtual Awaitable<Outcome<UpgradeView>> upgrade(std::string binary) = 0;
  // The node's store, sealed by the passphrase (store/backup.h).
  virtual Awaitable<Outcome<std::string>> backup(std::string passphrase) = 0;
  // Fault missing: no such call, or it has ended; refused: it may not be decrypted; exhausted, conflict: too many, or twice.
  virtual Awaitable<Outcome<std::unique_ptr<CaptureFeed>>> capture(CaptureQuery query) = 0;
};

}  // namespace sallyport::api
