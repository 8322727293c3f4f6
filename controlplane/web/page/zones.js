// SPDX-License-Identifier: Apache-2.0
// Configuration > Zones > Zones: each traversal zone with the state of its peers, and the test of its layers.
import {get, may, post} from "./api.js";
import {button, facts, h} from "./dom.js";
import {table} from "./table.js";

export const steps_table = (steps) => table("Steps", [["Peer", (each) => each.peer], ["Layer", (each) => each.layer], ["Verdict", (each) => h("span", {class: {passed: "good", failed: "bad"}[each.verdict] ?? ""}, each.verdict)],
  ["Detail", (each) => each.detail], ["Took", (each) => (each.took_us > 0 ? `${(each.took_us / 1000).toFixed(1)} ms` : "")]], steps);

const state_cell = (peer) => [h("span", {class: peer.state === "active" ? "good" : "bad"}, peer.state), peer.reason ? ` ${peer.reason}` : "", peer.warning ? h("div", {class: "quiet"}, peer.warning) : null];

const peer_columns = [["Peer", (each) => each.name], ["Address", (each) => each.address], ["State", state_cell], ["Since", (each) => each.since], ["TLS", (each) => each.tls], ["Media link", (each) => each.media_link], ["Multiplex", (each) => each.multiplex],
  ["Round trip", (each) => (each.round_trip_us > 0 ? `${(each.round_trip_us / 1000).toFixed(1)} ms` : "")]];

function zone_section(zone) {
  const place = h("div", {class: "outcome"});
  const test = button("Test the layers", place, async () => (await post("/v1/traversal/test", undefined, {zone: zone.name})).map((each) => [h("p", {class: each.passed ? "good" : "bad"}, each.passed ? "passed" : "failed", each.summary ? `: ${each.summary}` : ""), steps_table(each.steps)]));
  return h("section", {"data-zone": zone.name}, h("h2", {}, zone.name),
    facts([["Type", zone.type], ["Role", `traversal ${zone.role}`], ["Port", zone.port], ["Username", zone.user], ["Transport", zone.transport], ["TLS verify mode", zone.tls_verify], ["TLS verify subject name", zone.tls_verify_subject_names],
      ["Media encryption mode", zone.media_encryption], ["Authentication policy", zone.authentication_policy], ["SIP domains", zone.sip_domains]]),
    table(`Peers of ${zone.name}`, peer_columns, zone.peers, {empty: "No peer is connected."}), may("operate") ? h("div", {class: "buttons"}, test) : null, place);
}

export async function show_zones({again}) {
  const zones = await get("/v1/zones");
  const place = h("div", {class: "outcome"});
  return [h("div", {class: "buttons"}, button("Refresh", place, () => again())), place, zones.length === 0 ? h("p", {class: "quiet"}, "There is no zone: sallyport apply, or a join token under Pair.") : zones.map(zone_section)];
}
