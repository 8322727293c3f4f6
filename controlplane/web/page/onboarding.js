// SPDX-License-Identifier: Apache-2.0
// Maintenance > Security > CA certificate for mTLS: onboarding of phones by an activation code, with the authorities by which their
// certificates are judged. The switch, codes and phones are on C; E shows what C told it.
import {get, may, post, remove, session} from "./api.js";
import {box, button, confirm_by_dialog, download, facts, field, form, h, text_input} from "./dom.js";
import {table} from "./table.js";

const hour_s = 3600;

function state_section(told, again) {
  const place = h("div", {class: "outcome"});
  const turn = (on) => async () => {
    await post("/v1/onboarding", {on});
    return again(box("done", on ? "Onboarding is on; E opens its port." : "Onboarding is off. Phones keep their certificates; none is onboarded or renewed any more."));
  };
  const is_core = session.node_role === "C";
  const state = is_core ? facts([["Activation code onboarding", told.on ? "on" : "off"]])
    : facts([["Phones are onboarded at", told.listener || (told.on ? h("span", {class: "bad"}, told.problem) : "no port: no C behind this node has onboarding switched on")], ["Further authorities for endpoints", told.endpoint_authorities]]);
  const press = is_core && may("administer") ? h("div", {class: "buttons"}, told.on ? button("Switch onboarding off", place, turn(false), "danger") : button("Switch onboarding on", place, turn(true), "main")) : null;
  return h("section", {"data-part": "state"}, state, press, place);
}

function authorities_section(told) {
  const place = h("div", {class: "outcome"});
  const show = (each) => button("Show (PEM file)", place, async () => h("pre", {tabindex: "0"}, each.pem));
  const save = (each) => button("Download", place, async () => {
    download("onboarding-ca.pem", each.pem, "application/x-pem-file");
    return box("done", "onboarding-ca.pem is saved");
  });
  return h("section", {"data-part": "authorities"}, h("h2", {}, "CA certificates for mTLS"),
    table("CA certificates for mTLS", [["Subject", (each) => each.subject], ["Made by", (each) => each.node], ["Serial number", (each) => each.serial], ["Valid until", (each) => each.not_after], ["Fingerprint (SHA-256)", (each) => each.fingerprint_sha256],
      ["", (each) => h("div", {class: "buttons"}, show(each), save(each))]], told.authorities, {empty: "None yet: it is made when onboarding is switched on on C."}), place);
}

function withdraw_button(device, place, again) {
  return button("Withdraw", place, async () => {
    const is_sure = await confirm_by_dialog(`Withdraw ${device}`, h("p", {}, "Its activation code is not taken any more, and its certificates are not renewed."), "Withdraw");
    if (!is_sure) return null;
    await remove("/v1/onboarding/devices", {device});
    return again(box("done", `${device} is withdrawn.`));
  }, "danger");
}

function phones_sections(told, again) {
  const place = h("div", {class: "outcome"}), made = h("div", {class: "outcome"});
  const device = text_input({required: true, placeholder: "SEP001122334455"}), hours = text_input({inputmode: "numeric", value: "168"});
  const end = (is_shown) => (each) => (may("administer") && is_shown(each) ? withdraw_button(each.device, place, again) : "");
  const code_form = told.on && may("administer") ? [form("Make activation code", made, [field("Phone", device, "As call control names it."), field("Hours", hours, "How long the code can be used: 1 to 2160.")], async () => {
    const code = await post("/v1/onboarding/codes", {device: device.value.trim(), seconds: Number(hours.value) * hour_s});
    return box("done", h("p", {}, `Activation code of ${code.device}, once, until ${code.expires}:`), h("p", {}, h("code", {class: "code"}, code.code)), h("p", {}, "It is not shown again."));
  }), made] : null;
  return [h("section", {"data-part": "codes"}, h("h2", {}, "Activation codes"), table("Activation codes", [["Phone", (each) => each.device], ["Made", (each) => each.made], ["Until", (each) => each.expires], ["Wrong tries", (each) => each.failures],
    ["", end(() => true)]], told.codes, {empty: "No code is open."}), code_form),
  h("section", {"data-part": "phones"}, h("h2", {}, "Phones"), place, table("Phones", [["Phone", (each) => each.device], ["State", (each) => h("span", {class: each.state === "valid" ? "" : "bad"}, each.state)], ["Serial number", (each) => each.serial],
    ["First", (each) => each.first], ["Issued", (each) => each.issued], ["Valid until", (each) => each.not_after], ["", end((each) => each.state === "valid")]], told.devices, {empty: "No phone was onboarded."}))];
}

export async function show_onboarding({again}) {
  const told = await get("/v1/onboarding");
  return [h("p", {}, h("a", {href: "#/maintenance/security/trusted-ca-certificate"}, "Trusted CA certificate")), state_section(told, again), authorities_section(told), session.node_role === "C" ? phones_sections(told, again) : null];
}
