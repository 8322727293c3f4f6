// SPDX-License-Identifier: Apache-2.0
// Maintenance > Security > Server certificate: what the listeners show where no domain has a certificate of its own, and, with two
// stores, what this node shows as a client.
import {get} from "./api.js";
import {facts, h} from "./dom.js";
import {slot_sections} from "./certificate_slot.js";

// What the node file brings serves as long as the store has nothing.
function from_files(listed, slot) {
  const files = listed.filter((each) => each.source === "file" && each.slot === slot);
  if (files.length === 0) return h("p", {class: "quiet"}, "None is installed here.");
  return files.map((each) => [h("p", {}, "It comes from a file that the node file names; an upload takes its place."),
    facts([["Subject", each.subject], ["Serial number", h("code", {class: "serial"}, each.serial)], ["Alternative names", each.names], ["Valid until", each.not_after]])]);
}

export async function show_server_certificate({query, again}) {
  const [settings, listed] = await Promise.all([get("/v1/certificate-settings"), get("/v1/certificates", {limit: 10})]);
  const slot = query.get("store") === "client" ? "client" : "server";
  const link = (name, label) => h("a", {href: `#/maintenance/security/server-certificate?store=${name}`, "aria-current": slot === name ? "page" : null}, label);
  const stores = settings.mode === "two_store" || slot === "client" ? h("p", {}, "Store: ", link("server", "server"), " | ", link("client", "client"), h("span", {class: "quiet"}, slot === "server" ? " (shown to who connects)" : " (shown where this node connects)")) : null;
  const words = {title: slot === "server" ? "Server certificate data" : "Client certificate data", otherwise: from_files(listed, slot), upload: "Upload server certificate data"};
  return [stores, await slot_sections(slot, words, again)];
}
