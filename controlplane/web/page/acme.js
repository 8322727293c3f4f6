// SPDX-License-Identifier: Apache-2.0
// Maintenance > Security > ACME: authorities, and what is kept by them. It is switched on and off on the page of each certificate.
import {get, may, post, remove} from "./api.js";
import {box, button, confirm_by_dialog, facts, field, form, h, password_input, text_input} from "./dom.js";
import {table} from "./table.js";

function authorities_table(list, place, again) {
  const columns = [["Name", (each) => each.name], ["Directory", (each) => each.directory_url], ["Contacts", (each) => each.contacts.join(", ")], ["Account", (each) => each.account_url || "none yet"]];
  if (may("administer")) {
    columns.push(["", (each) => h("div", {class: "buttons"}, button("New account key", place, async () => {
      await post("/v1/acme/keys", {authority: each.name});
      return box("done", `The account at ${each.name} has a new key.`);
    }), button("Delete", place, async () => {
      const is_sure = await confirm_by_dialog(`Delete ${each.name}`, h("p", {}, "The authority and the key of the account there are deleted. Certificates that it made stay."), "Delete");
      if (!is_sure) return null;
      await remove("/v1/acme/authorities", {name: each.name});
      return again(box("done", `${each.name} is deleted.`));
    }, "danger"))]);
  }
  return table("ACME authorities", columns, list, {empty: "No authority is set up."});
}

function new_authority(again) {
  const name = text_input({required: true}), url = text_input({required: true, type: "url", placeholder: "https://"}), contacts = text_input({}), terms = h("input", {type: "checkbox"}), ca_file = text_input({}), place = h("div", {class: "outcome"});
  const key_id = text_input({}), key = password_input({autocomplete: "off"});
  return h("section", {"data-part": "new"}, h("h2", {}, "Add or change an authority"), form("Save", place, [field("Name", name), field("Directory URL", url), field("Contacts (comma separated)", contacts), field("I agree to its terms of service", terms),
    h("details", {}, h("summary", {}, "Further"), field("File of the authority that vouches for its server", ca_file, "On the node; the system's authorities, if empty."), field("External account key identifier", key_id), field("External account HMAC key", key))], async () => {
    await post("/v1/acme/authorities", {name: name.value.trim(), directory_url: url.value.trim(), contacts: contacts.value.split(",").map((each) => each.trim()).filter((each) => each !== ""), ca_file: ca_file.value.trim(), agrees_to_terms: terms.checked,
      external_key_id: key_id.value.trim(), external_hmac_key: key.value});
    return again(box("done", `${name.value} is saved.`));
  }), place);
}

export async function show_acme({again}) {
  const told = await get("/v1/acme");
  const place = h("div", {class: "outcome"});
  const page_of = (slot) => (slot.startsWith("domain/") ? `#/maintenance/security/domain-certificates?domain=${encodeURIComponent(slot.slice("domain/".length))}` : "#/maintenance/security/server-certificate");
  return [place, h("h2", {}, "Certificates kept by ACME"),
    table("Certificates kept by ACME", [["Certificate", (each) => h("a", {href: page_of(each.slot)}, each.slot)], ["Status", (each) => h("span", {class: each.state === "failed" ? "bad" : ""}, each.text)], ["Authority", (each) => each.authority],
      ["Valid until", (each) => each.valid_until], ["Next attempt", (each) => each.next_attempt]], told.slots, {empty: "None; ACME is switched on on the page of a certificate."}),
    h("h2", {}, "Authorities"), authorities_table(told.authorities, place, again), may("administer") ? new_authority(again) : null,
    h("h2", {}, "Settings"), facts(Object.entries(told.settings)), h("p", {class: "quiet"}, "Changed by sallyport acme set, see docs/acme.md.")];
}
