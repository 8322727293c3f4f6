// SPDX-License-Identifier: Apache-2.0
// Maintenance > Security > Domain certificates: the list with New, and, behind each name, the page of that domain.
import {get, may, post, remove} from "./api.js";
import {box, button, confirm_by_dialog, field, form, h, text_input} from "./dom.js";
import {slot_sections} from "./certificate_slot.js";
import {table} from "./table.js";

const most_domains = 10000;
const here = "#/maintenance/security/domain-certificates";
const link = (name, label = name) => h("a", {href: `${here}?domain=${encodeURIComponent(name)}`}, label);

function new_domain(again) {
  const name = text_input({required: true, placeholder: "100.example-name.com"}), place = h("div", {class: "outcome"});
  return h("section", {"data-part": "new"}, h("h2", {}, "New"), form("Create domain", place, [field("New local domain", name)], async () => {
    const made = await post("/v1/domains", {name: name.value.trim()});
    return again(box("done", "The domain ", link(made.name), " is created. Its certificate is uploaded on its page."));
  }), place);
}

const acme_cell = (domain) => [h("span", {class: domain.acme.startsWith("failed") ? "bad" : ""}, domain.acme), " ", link(domain.name, "View/Edit")];

async function show_list(again) {
  const domains = await get("/v1/domains", {limit: most_domains});
  return [table("Domains", [["Domain", (each) => link(each.name)], ["Certificates", (each) => each.certificates.map((held) => h("div", {}, `${held.key}, serial ${held.serial}`))],
    ["Valid until", (each) => each.not_after || "no certificate"], ["CSR", (each) => (each.request_open ? "in progress" : "")], ["ACME", acme_cell]], domains, {empty: "No domain has a certificate of its own.", most: most_domains}),
  may("administer") ? new_domain(again) : null];
}

async function show_domain(name, again) {
  const place = h("div", {class: "outcome"});
  const drop = button("Delete", place, async () => {
    const is_sure = await confirm_by_dialog(`Delete ${name}`, h("p", {}, "The domain, its certificates, keys and request are deleted. Clients that ask for it are shown the server certificate from their next connection on."), "Delete");
    if (!is_sure) return null;
    await remove("/v1/domains", {name});
    location.hash = here;
    return null;
  }, "danger");
  const words = {title: "Domain certificate data", otherwise: h("p", {class: "quiet"}, "No certificate is uploaded yet; clients that ask for this name are shown the server certificate."), upload: "Upload domain certificate data"};
  return [h("p", {}, h("a", {href: here}, "All domains"), " > ", h("strong", {class: "domain"}, name)), place, await slot_sections(`domain/${name}`, words, again, may("administer") ? drop : [])];
}

export function show_domain_certificates({query, again}) {
  const name = query.get("domain");
  return name ? show_domain(name, again) : show_list(again);
}
