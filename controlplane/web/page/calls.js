// SPDX-License-Identifier: Apache-2.0
// Status > Calls: the list, and behind each one its legs and streams.
import {get} from "./api.js";
import {button, facts, h} from "./dom.js";
import {table} from "./table.js";

const most = 1000;
const mos = (value) => (value === null ? "" : h("span", {class: value < 3.5 ? "bad" : ""}, value.toFixed(1)));
const number = (value, unit) => (value === null ? "" : `${Number(value.toFixed(1))} ${unit}`);

async function show_list(again) {
  const list = await get("/v1/calls", {limit: most, quality: 1});
  const place = h("div", {class: "outcome"});
  return [h("div", {class: "buttons"}, button("Refresh", place, () => again())), place,
    table("Calls", [["Call", (each) => h("a", {href: `#/status/calls?id=${encodeURIComponent(each.id)}`}, each.id)], ["From", (each) => each.from], ["To", (each) => each.to], ["State", (each) => each.state], ["Started", (each) => each.started],
      ["Duration", (each) => `${each.duration_s} s`], ["MOS", (each) => mos(each.mos)], ["End", (each) => each.end_reason]], list, {empty: "No call is known.", most})];
}

const stream_columns = [["Stream", (each) => `${each.kind} ${each.component} ${each.direction}`], ["Cipher", (each) => each.suite], ["Local", (each) => each.local], ["Remote", (each) => `${each.remote} ${each.latch}`], ["Packets", (each) => each.packets],
  ["Loss", (each) => number(each.loss_percent, "%")], ["Jitter", (each) => number(each.jitter_ms, "ms")], ["Round trip", (each) => number(each.round_trip_ms, "ms")], ["MOS", (each) => mos(each.mos)], ["Dropped", (each) => each.dropped]];

async function show_call(id, again) {
  const call = await get(`/v1/calls/${encodeURIComponent(id)}`);
  const place = h("div", {class: "outcome"});
  return [h("p", {}, h("a", {href: "#/status/calls"}, "All calls"), " > ", h("strong", {}, call.id)), h("div", {class: "buttons"}, button("Refresh", place, () => again())), place,
    facts([["From", call.from], ["To", call.to], ["State", call.state], ["Started", call.started], ["Answered", call.answered], ["Ended", call.ended], ["Duration", `${call.duration_s} s`], ["End", call.end_reason], ["Worst leg", call.worst_leg], ["Call-ID", call.call_id]]),
    call.legs.map((leg) => [h("h2", {}, `Leg: ${leg.side}`), facts([["Remote party", leg.remote_party], ["Codec", leg.codec], ["RTCP", leg.rtcp], ["Estimate by", leg.mos_basis]]), table(`Streams of leg ${leg.side}`, stream_columns, leg.streams)])];
}

export function show_calls({query, again}) {
  const id = query.get("id");
  return id ? show_call(id, again) : show_list(again);
}
