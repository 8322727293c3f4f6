// SPDX-License-Identifier: Apache-2.0
// What is done with a certificate, on the page of the server certificate and on that of a domain alike: its data, Show (decoded), Show
// (PEM file), a signing request, an upload, ACME.
import {get, may, post, remove} from "./api.js";
import {box, button, confirm_by_dialog, facts, h} from "./dom.js";
import {file_name, show_buttons} from "./pem_text.js";
import {request_section} from "./signing_request.js";
import {upload_section} from "./upload.js";

function certificate_facts(held, is_several) {
  const leaf = held.chain?.[0] ?? {};
  const days = h("span", {class: held.days_left < 14 ? "bad" : ""}, `${held.not_before} to ${held.not_after}, ${held.days_left} days left`);
  return [is_several ? h("h3", {}, held.family.toUpperCase()) : null,
    facts([["Subject", leaf.subject], ["Issuer", leaf.issuer], ["Serial number", h("code", {class: "serial"}, held.serial)], ["Alternative names", held.names], ["Valid", days], ["Key", held.key],
      ["Client authentication", held.client_auth ? "yes" : "no"], ["Chain", held.chain_complete ? "complete" : h("span", {class: "bad"}, "incomplete: an intermediate certificate is missing")],
      ["Authorities sent along", held.chain?.slice(1).map((each) => each.subject)], ["Origin", `${held.origin}, ${held.installed}`], ["Fingerprint (SHA-256)", leaf.fingerprint_sha256]])];
}

async function held_by(slot) {
  try {
    return await get("/v1/certificates", {slot});
  } catch (fault) {
    if (fault.status === 404) return [];
    throw fault;
  }
}

async function data_section(slot, title, otherwise, again, further) {
  const held = await held_by(slot);
  const place = h("div", {class: "outcome"});
  const drop = async (family) => {
    const is_sure = await confirm_by_dialog("Delete the certificate", h("p", {}, `The ${family.toUpperCase()} certificate of ${slot} and its key are deleted. Connections that are open stay.`), "Delete certificate");
    if (!is_sure) return null;
    await remove("/v1/certificates", {slot, family});
    return again(box("done", "The certificate is deleted."));
  };
  const buttons = held.length > 0 ? show_buttons("/v1/certificates", slot, `${file_name(slot)}.pem`, place) : [];
  if (may("administer")) buttons.push(held.map((each) => button(held.length > 1 ? `Delete certificate (${each.family.toUpperCase()})` : "Delete certificate", place, () => drop(each.family), "danger")));
  return h("section", {"data-part": "data"}, h("h2", {}, title), held.length === 0 ? otherwise : held.map((each) => certificate_facts(each, held.length > 1)),
    h("div", {class: "buttons"}, buttons, further), place);
}

async function acme_section(slot, again) {
  const told = await get("/v1/acme");
  const kept = told.slots.find((each) => each.slot === slot);
  const place = h("div", {class: "outcome"});
  const turn = (on) => async () => {
    await post("/v1/acme/slots", {slot, on});
    return again(box("done", `ACME is ${on ? "on" : "off"}.`));
  };
  const buttons = [];
  if (may("administer")) buttons.push(kept ? button("Turn ACME off", place, turn(false)) : button("Turn ACME on", place, turn(true)));
  if (may("operate") && kept) {
    buttons.push(button("Renew now", place, async () => {
      await post("/v1/acme/renewals", {slot});
      return box("done", "The certificate is ordered; its state is told here once the page is loaded again.");
    }));
  }
  return h("section", {"data-part": "acme"}, h("h2", {}, "ACME"),
    kept ? facts([["Status", h("span", {class: kept.state === "failed" ? "bad" : ""}, kept.text)], ["Authority", kept.authority], ["Valid until", kept.valid_until], ["Next attempt", kept.next_attempt], ["Failures in a row", kept.failures || ""]])
      : facts([["Status", "off"]]),
    told.authorities.length === 0 && !kept ? h("p", {class: "quiet"}, "No authority is set up yet: see ", h("a", {href: "#/maintenance/security/acme"}, "ACME"), ".") : null,
    h("div", {class: "buttons"}, buttons), place);
}

// words: title of its data, what to say where there is none, and the label of the upload; further: buttons beside those of the data.
export async function slot_sections(slot, words, again, further = []) {
  const parts = [data_section(slot, words.title, words.otherwise, again, further), request_section(slot, again)];
  if (may("administer")) parts.push(upload_section(slot, words.upload, again));
  if (slot !== "client") parts.push(acme_section(slot, again));
  return Promise.all(parts);
}
