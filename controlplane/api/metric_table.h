// SPDX-License-Identifier: Apache-2.0
#pragma once
// Every metric of a node, once: name without "sallyport_", labels, what it says. What the server emits names a row here, checked when it is
// compiled; HELP lines and docs/metrics.md come from it. Counters of media signalling have a list of their own (media_counters.h).
// A name ending in _total is a counter, any other a gauge. Constant; any thread.

#include <cstddef>
#include <string>
#include <string_view>

namespace sallyport::api {

struct MetricInfo {
  std::string_view name;
  std::string_view labels;  // comma separated
  std::string_view help;
};

inline constexpr MetricInfo metric_table[] = {
    {"api_requests_total", "outcome", "Requests to the administration interface by outcome."},
    {"api_connections_refused_total", "", "Connections to the administration interface above the limit."},
    {"administration_logins_total", "outcome", "Tries to log in over HTTPS, by what came of them."},
    {"administration_requests_total", "outcome", "Requests over HTTPS by what was made of their session: admitted, none, too fast, token against forged requests wrong, role too low."},
    {"administration_pages_total", "", "Files of the administration page that were asked for, by anybody."},
    {"administration_sessions", "", "Sessions that are open."},
    {"audit_entries_total", "outcome", "Requests for changes by what the audit log made of them: a row, a number in a row (strangers beyond two a second), or nothing because it could not be written."},
    {"calls_running", "", "Calls that this node anchors now."},
    {"registrations", "", "Clients registered through this node."},
    {"calls_begun_total", "", "Calls begun, adopted ones not counted."},
    {"calls_confirmed_total", "", "Calls answered."},
    {"calls_ended_total", "", "Calls that ended, for any reason."},
    {"calls_refused_total", "", "Calls refused by this node for want of media, dataplane or a readable SDP."},
    {"calls_swept_total", "", "Calls ended because both parties forgot them: session timer over, or silent too long."},
    {"calls_link_lost_total", "", "Calls released because their media link was down longer than media.link_loss_s."},
    {"calls_adopted_total", "", "Calls taken over from the control plane before this one."},
    {"call_directions", "leg,direction,quality", "Audio streams of running calls by estimated MOS of each leg and direction: good from 4.03, fair from 3.6, poor below; the newest 1000 calls."},
    {"call_directions_beyond_limit", "leg,direction,limit", "Streams of running calls with more than 1 % lost, 30 ms of jitter, 300 ms of round trip or a MOS below 3.6; the newest 1000 calls."},
    {"dataplane_packets_in_total", "worker", "Packets taken from ports."},
    {"dataplane_packets_out_total", "worker", "Packets handed to ports."},
    {"dataplane_bytes_in_total", "worker", "Bytes of frames taken from ports."},
    {"dataplane_bytes_out_total", "worker", "Bytes of frames handed to ports."},
    {"dataplane_polls_total", "worker", "Rounds of the worker over its ports."},
    {"dataplane_empty_polls_total", "worker", "Rounds that found nothing to do."},
    {"dataplane_sleeps_total", "worker", "Times the idle worker slept."},
    {"dataplane_handed_over_total", "worker", "Packets that arrived at this worker and belong to another."},
    {"dataplane_commands_total", "worker", "Flow commands executed."},
    {"dataplane_commands_refused_total", "worker", "Flow commands refused."},
    {"dataplane_events_lost_total", "worker", "Events that found the ring to the control plane full."},
    {"dataplane_captured_total", "worker", "Copies of packets made for `sallyport capture`."},
    {"dataplane_captures_lost_total", "worker", "Copies for `sallyport capture` that found the ring full, or came faster than copies may."},
    {"dataplane_to_kernel_total", "worker", "Packets that are not media, given to the kernel by exception ports (profile vfio)."},
    {"dataplane_from_kernel_total", "worker", "The kernel's own packets, taken from exception ports and handed to ports."},
    {"dataplane_stage_packets_total", "worker,stage", "Packets that entered the stage."},
    {"dataplane_stage_cycles_total", "worker,stage", "TSC cycles spent in the stage, extrapolated from one burst of seventeen."},
    {"dataplane_drops_total", "worker,stage,reason", "Packets dropped, by the stage that did and its reason."},
    {"dataplane_steering", "steering", "1 for the way in force that brings a packet to its owner: by the NIC's rules, by its hash, or from worker to worker."},
    {"dataplane_tsc_hz", "", "Cycles a second of the clock that stages are measured by."},
    {"rtcp_compounds_total", "worker", "RTCP packets seen in clear and looked at; none on E, where they pass sealed."},
    {"rtcp_malformed_total", "worker", "Of these, not to be understood."},
    {"rtcp_round_trips_total", "worker", "Round trips measured by passing sender and receiver reports."},
    {"rtcp_round_trip_seconds_total", "worker", "Sum of these round trips: their mean is the ratio of the two rates."},
    {"media_refused_total", "reason", "SDP or streams refused."},
    {"sip_requests_total", "", "Requests received."},
    {"sip_responses_total", "", "Responses received."},
    {"sip_forwarded_requests_total", "", "Requests forwarded."},
    {"sip_forwarded_responses_total", "", "Responses forwarded."},
    {"sip_local_answers_total", "", "Requests answered by this node itself."},
    {"sip_retransmissions_total", "", "Requests and responses seen again and absorbed."},
    {"sip_stray_responses_total", "", "Responses that belong to no transaction."},
    {"sip_forged_responses_total", "", "Responses that came from elsewhere than their request went to."},
    {"sip_malformed_requests_total", "", "Requests that cannot be read; answered with 400, 413, 513 or dropped."},
    {"sip_malformed_responses_total", "", "Responses that cannot be read; dropped."},
    {"sip_loops_total", "", "Requests answered with 482."},
    {"sip_too_many_hops_total", "", "Requests answered with 483."},
    {"sip_transactions_refused_total", "", "Requests answered with 503 because the transaction table was full."},
    {"sip_oversized_total", "", "Messages that UDP towards call control cannot carry; answered with 513."},
    {"sip_refused_draining_total", "", "New calls answered with 503 while the node drains."},
    {"sip_send_failed_total", "", "Messages that their connection did not take."},
    {"sip_timeouts_total", "", "Requests that nobody answered in time."},
    {"sip_callees_released_total", "", "Callees told ACK and BYE because the caller could not be given their answer."},
    {"sip_flow_failed_total", "", "E: requests for a client whose connection is gone; answered with 430."},
    {"sip_foreign_route_total", "", "Requests with a Route that is not ours; answered with 403."},
    {"sip_foreign_domain_total", "", "E: requests for a domain that no zone serves; answered with 403."},
    {"sip_zone_down_total", "", "E: requests answered with 503 because no C is connected."},
    {"sip_bad_token_total", "", "Requests with a flow token that does not verify; answered with 403."},
    {"sip_call_control_down_total", "", "C: requests answered with 503 because no call control node is up."},
    {"sip_failovers_total", "", "C: requests that went to another call control node than the first."},
    {"tls_accepted_total", "listener", "TCP connections accepted."},
    {"tls_established_total", "listener", "TLS handshakes that succeeded."},
    {"tls_admissions_total", "listener,result", "Connections by what the limits of their source said."},
    {"tls_handshake_failures_total", "listener,reason", "TLS handshakes that failed."},
    {"xmpp_streams", "state", "XMPP streams of clients."},
    {"xmpp_streams_total", "event", "XMPP streams of clients, by what became of them so far."},
    {"xmpp_refused_total", "reason", "XMPP streams of clients that were ended by this node."},
    {"xmpp_stanzas_total", "", "Stanzas of clients, on E."},
    {"xmpp_bytes_total", "direction", "Bytes of clients' XMPP streams, on E."},
    {"xmpp_slowed_total", "", "Times a client sent more stanzas than allowed and was read more slowly."},
    {"xmpp_features_hidden_total", "", "Mechanisms that bind to a TLS channel or vouch for C, and compression, taken out of what presence servers offer, on C."},
    {"presence_nodes", "state", "Presence servers by how they answered last, on C."},
    {"tls_certificate_refusals_total", "name", "Handshakes of clients that ended because they refused the certificate of this node, by the name they asked for."},
    {"tls_uncovered_names_total", "", "Handshakes that asked for a name which no certificate covers."},
    {"tls_staples_total", "result", "Handshakes that asked for an OCSP staple, by whether there was one."},
    {"ocsp_staples", "", "OCSP answers at hand that may be stapled."},
    {"ocsp_requests_total", "result", "Questions to OCSP responders, by what came of them."},
    {"crl_requests_total", "result", "Revocation lists fetched, by what came of them."},
    {"certificate_revocation", "state", "Certificates that name an OCSP responder or a revocation list, by what their authority says."},
    {"tls_certificate_failures_total", "", "Times a certificate of the store could not be read when a handshake asked for it."},
    {"certificates", "slot", "Certificates in the store."},
    {"certificate_expiry_seconds", "slot", "Time until the first of them expires, negative when it has; of the node file's server certificate where the store has none."},
    {"certificate_requests", "", "Signing requests that are open."},
    {"trusted_authorities", "purpose", "Authorities in the store that are trusted for the purpose."},
    {"onboarding_requests_total", "outcome", "Requests of phones to be onboarded, by what came of them; on E as the phone was answered, on C as the codes were judged."},
    {"onboarding_on", "", "Whether phones are onboarded: on C whether it is switched on, on E whether its port is open."},
    {"pair_certificates_total", "outcome", "Join tokens made, and what became of requests for certificates of the pair authority."},
    {"acme_orders_total", "outcome", "Certificates ordered by ACME."},
    {"acme_slots", "state", "Certificate slots that are kept by ACME, by the state of their last order."},
    {"alarms", "", "Alarms that are raised."},
    {"zone_challenges_total", "", "E: digest challenges sent to C nodes."},
    {"zone_authenticated_total", "", "E: C nodes that authenticated."},
    {"zone_refused_total", "reason", "E: C nodes refused."},
    {"multiplex_authenticated_total", "", "E: C nodes that authenticated on the stream multiplex."},
    {"multiplex_refused_total", "reason", "E: C nodes refused on the stream multiplex."},
    {"multiplex_sessions", "", "Connections of the stream multiplex that are active."},
    {"multiplex_channels", "", "Channels open on these connections."},
};

// A row of the table, named by its literal: a name that is not there does not compile.
class MetricRow {
 public:
  consteval MetricRow(const char* name) : index_(find(name)) {}
  const MetricInfo& info() const { return metric_table[index_]; }
  std::string name() const { return std::string(info().name); }
  std::string help() const { return std::string(info().help); }

 private:
  static consteval std::size_t find(std::string_view name) {
    for (std::size_t row = 0; row < std::size(metric_table); ++row)
      if (metric_table[row].name == name) return row;
    throw "no such metric: add it to metric_table";
  }
  std::size_t index_;
};

}  // namespace sallyport::api
