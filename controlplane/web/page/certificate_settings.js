// SPDX-License-Identifier: Apache-2.0
// Maintenance > Security > Certificate settings: how certificates are judged, which is served for a name and why, and what clients refused.
import {get, may, post} from "./api.js";
import {box, facts, field, form, h, select, text_input} from "./dom.js";
import {table} from "./table.js";

const settings = [["mode", "Stores", [["two_store", "two stores: server and client apart"], ["single_store", "one store: each certificate for both uses"]]],
  ["duplicate_self_signed_cn", "Two self-signed certificates with one CN", [["refuse", "refuse"], ["allow", "allow"]]], ["weak_keys", "Keys of 1024 bits", [["refuse", "refuse"], ["allow", "allow, with a warning"]]]];

function setting_form([name, label, choices], value, again) {
  if (!may("administer")) return facts([[label, choices.find(([each]) => each === value)?.[1] ?? value]]);
  const input = select(choices, value), place = h("div", {class: "outcome"});
  return [form("Save", place, [field(label, input)], async () => {
    await post("/v1/certificate-settings", {name, value: input.value});
    return again(box("done", `${label}: saved.`));
  }, ""), place];
}

function explain() {
  const name = text_input({}), port = text_input({inputmode: "numeric"}), place = h("div", {class: "outcome"});
  return [h("h2", {}, "Which certificate is served"), form("Explain", place, [field("Name that a client asks for (SNI)", name), field("Port", port, "Any, if empty.")], async () => {
    const told = await get("/v1/certificates/explain", {sni: name.value.trim(), port: port.value.trim()});
    return facts([["Listener", told.listener], ["Match", told.match], ["Served", told.served], ["Why", told.text]]);
  }, ""), place];
}

export async function show_certificate_settings({again}) {
  const [told, refusals] = await Promise.all([get("/v1/certificate-settings"), get("/v1/certificates/refusals")]);
  return [settings.map((each) => setting_form(each, told[each[0]], again)), explain(), h("h2", {}, "What clients refused"),
    table("Refused certificates", [["Name", (each) => each.name || "(none)"], ["Times", (each) => each.times], ["Addresses", (each) => each.sources], ["Alert", (each) => each.text], ["Last from", (each) => each.source], ["At", (each) => each.at]], refusals,
      {empty: "No client refused a certificate."})];
}
