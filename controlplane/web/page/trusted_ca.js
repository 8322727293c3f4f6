// SPDX-License-Identifier: Apache-2.0
// Maintenance > Security > Trusted CA certificate: authorities by what they vouch for; what would break is told before one is removed, and
// what a server shows before its authority is trusted.
import {get, may, post, remove} from "./api.js";
import {box, button, confirm_by_dialog, facts, field, form, h, read_file, select, text_input} from "./dom.js";
import {table} from "./table.js";

const purposes = [["traversal", "Traversal: the other node of the pair"], ["call_control", "Call control"], ["presence", "Presence servers"], ["endpoints", "Endpoints"], ["federation", "Federation"], ["guests", "Guest servers"]];

function remove_button(authority, place, again) {
  return button("Remove", place, async () => {
    const wanted = {purpose: authority.purpose, fingerprint: authority.fingerprint_sha256};
    const told = await remove("/v1/trust", {...wanted, preview: 1});
    const broken = told.would_break.length === 0 ? h("p", {}, "Nothing that is connected now depends on it.") : [h("p", {}, "This would not connect any more:"), h("ul", {class: "would-break"}, told.would_break.map((each) => h("li", {}, each)))];
    const is_sure = await confirm_by_dialog("Remove a trusted CA certificate", [facts([["Subject", authority.subject], ["Serial number", authority.serial], ["For", authority.purpose]]), broken], "Remove");
    if (!is_sure) return null;
    await remove("/v1/trust", wanted);
    return again(box("done", "The authority is no longer trusted, from the next handshake on."));
  }, "danger");
}

function authority_table(list, place, again) {
  const columns = [["For", (each) => each.purpose], ["Subject", (each) => each.subject], ["Issuer", (each) => (each.self_signed ? "itself" : each.issuer ?? "")], ["Serial number", (each) => each.serial], ["Valid until", (each) => each.not_after],
    ["Source", (each) => (each.source === "store" ? `added ${each.added}` : each.source)]];
  if (may("administer")) columns.push(["", (each) => (each.source === "store" ? remove_button(each, place, again) : h("span", {class: "quiet"}, "by the node file"))]);
  return table("Trusted authorities", columns, list, {empty: "No authority is trusted."});
}

function upload(again) {
  const purpose = select(purposes), file = h("input", {type: "file", accept: ".pem,.crt,.cer,.txt"}), pasted = h("textarea", {rows: "5", spellcheck: "false", autocomplete: "off"}), place = h("div", {class: "outcome"});
  return h("section", {"data-part": "append"}, h("h2", {}, "Upload"), form("Append CA certificate", place, [field("It vouches for", purpose), field("Authorities (PEM file)", file), field("or their text", pasted)], async () => {
    const told = await post("/v1/trust", {purpose: purpose.value, certificates: await read_file(file) || pasted.value, file: file.files[0]?.name ?? ""});
    return again(box("done", h("p", {}, `Trusted from the next handshake on: ${told.added.length} added, ${told.present.length} there already.`), h("ul", {}, told.added.map((each) => h("li", {}, each.subject)))));
  }), place);
}

function probed_port(told, purpose, place, again) {
  if (told.error) return box("fault", h("p", {}, `Port ${told.port}: ${told.error}`));
  const last = told.chain.at(-1);
  const trust = button(`Trust ${last.subject}`, place, async () => {
    const is_sure = await confirm_by_dialog("Trust this authority", facts([["Subject", last.subject], ["Serial number", last.serial], ["Fingerprint (SHA-256)", last.fingerprint_sha256], ["For", purpose]]), "Trust");
    if (!is_sure) return null;
    await post("/v1/trust", {purpose, certificates: last.pem});
    return again(box("done", `${last.subject} is trusted.`));
  });
  return [h("h3", {}, `Port ${told.port}`), facts([["Address", told.address], ["TLS", `${told.tls_version} ${told.tls_cipher}`], ["Trusted", told.trusted ? h("span", {class: "good"}, "yes") : h("span", {class: "bad"}, "no")]]),
    told.findings.length > 0 ? box("warning", h("ul", {}, told.findings.map((each) => h("li", {}, each)))) : null,
    h("ol", {}, told.chain.map((each) => h("li", {}, each.subject, facts([["Issuer", each.issuer], ["Serial number", each.serial], ["Valid until", each.not_after], ["Names", each.names], ["Fingerprint (SHA-256)", each.fingerprint_sha256]])))),
    may("administer") && !told.trusted ? h("div", {class: "buttons"}, trust) : null];
}

function probe(again) {
  const host = text_input({required: true}), ports = text_input({required: true, inputmode: "numeric", placeholder: "5061, 443"}), purpose = select(purposes, "call_control"), place = h("div", {class: "outcome"});
  return h("section", {"data-part": "probe"}, h("h2", {}, "What a server shows"), form("Show the chain it presents", place, [field("Host", host), field("Ports", ports, "Up to four, with commas between."), field("Judged as", purpose)], async () => {
    const told = await post("/v1/trust/probe", {host: host.value.trim(), ports: ports.value.split(",").map(Number), purpose: purpose.value});
    return told.map((each) => probed_port(each, purpose.value, place, again));
  }, ""), place);
}

export async function show_trusted_ca({query, again}) {
  const chosen = query.get("purpose") ?? "";
  const list = await get("/v1/trust", {purpose: chosen});
  const place = h("div", {class: "outcome"});
  const link = (purpose) => h("a", {href: `#/maintenance/security/trusted-ca-certificate${purpose ? `?purpose=${purpose}` : ""}`, "aria-current": purpose === chosen ? "page" : null}, purpose || "all");
  return [h("p", {}, h("a", {href: "#/maintenance/security/ca-certificate-for-mtls"}, "CA certificate for mTLS"), h("span", {class: "quiet"}, " (activation code onboarding)")), h("p", {}, "For: ", ["", ...purposes.map(([purpose]) => purpose)].map((purpose) => [link(purpose), " "])), place, authority_table(list, place, again), may("administer") ? upload(again) : null, may("operate") ? probe(again) : null];
}
