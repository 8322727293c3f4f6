// SPDX-License-Identifier: Apache-2.0
// The certificate signing request of a slot: made with a preview of its names, shown, downloaded, discarded. Its key stays in the node.
import {get, may, post, remove} from "./api.js";
import {box, button, confirm_by_dialog, facts, field, form, h, replace, run, select, text_input} from "./dom.js";
import {file_name, show_buttons} from "./pem_text.js";

const keys = [["rsa-2048", "RSA 2048"], ["rsa-3072", "RSA 3072"], ["rsa-4096", "RSA 4096"], ["ecdsa-p256", "ECDSA P-256"], ["ecdsa-p384", "ECDSA P-384"]];
const digests = [["sha256", "SHA-256"], ["sha384", "SHA-384"], ["sha512", "SHA-512"]];
const split = (text) => text.split(/[\s,]+/).filter((word) => word !== "");

function open_request(slot, open, again) {
  const place = h("div", {class: "outcome"});
  const buttons = show_buttons("/v1/requests", slot, `${file_name(slot)}.csr.pem`, place);
  if (may("administer")) {
    buttons.push(button("Discard CSR", place, async () => {
      const is_sure = await confirm_by_dialog("Discard CSR", h("p", {}, "The request and its private key are deleted. A certificate that an authority makes from it can no longer be used."), "Discard CSR");
      if (!is_sure) return null;
      await remove("/v1/requests", {slot});
      return again(box("done", "The request and its key are discarded."));
    }, "danger"));
  }
  return [facts([["In progress since", open.made], ["Made on", open.made_on], ["Subject", open.subject], ["Alternative names", open.names], ["Key", open.key], ["Digest", open.digest]]),
    h("p", {class: "quiet"}, "Have an authority sign it, then upload the certificate below. The private key is kept here and never shown."), h("div", {class: "buttons"}, buttons), place];
}

function new_request(slot, again) {
  const key = select(keys, "rsa-2048"), digest = select(digests, "sha256"), names = text_input({});
  const subject = {common_name: text_input({maxlength: "64"}), organization: text_input({}), unit: text_input({}), locality: text_input({}), state: text_input({}), country: text_input({maxlength: "2"})};
  const labels = {common_name: "Common name", organization: "Organization", unit: "Organizational unit", locality: "Locality (town, city)", state: "State or province", country: "Country (two letters)"};
  const place = h("div", {class: "outcome"}), preview = h("div", {class: "preview"});
  const wish = () => ({slot, key: key.value, digest: digest.value, names: split(names.value), ...Object.fromEntries(Object.entries(subject).map(([name, input]) => [name, input.value.trim()]))});
  const look = async () => {
    const told = await post("/v1/requests", {...wish(), preview: true});
    const reason = (name) => told.reasons.find((each) => each.name === name)?.reason;
    return [h("h3", {}, "Alternative name as it will appear"), told.names.length === 0 ? h("p", {class: "quiet"}, "none") :
      h("ul", {}, told.names.map((name) => h("li", {}, h("code", {}, name), h("span", {class: "quiet"}, reason(name) ? ` ${reason(name)}` : "")))),
    h("p", {class: "quiet"}, `For ${[told.server_auth && "server", told.client_auth && "client"].filter(Boolean).join(" and ")} authentication.`)];
  };
  names.addEventListener("change", () => run(preview, null, look));
  const made = form("Generate CSR", place, [
    field("Additional alternative names (comma separated)", names, "Beside those that this node needs by its configuration."),
    field("Key", key), field("Digest algorithm", digest),
    h("details", {}, h("summary", {}, "Subject"), Object.entries(subject).map(([name, input]) => field(labels[name], input, name === "common_name" ? "The first alternative name, if left empty." : "")))],
  async () => {
    await post("/v1/requests", wish());
    return again(box("done", "The request is made. Show or download it below, under Certificate signing request."));
  });
  run(preview, null, look);
  // Below: it grows and shrinks while names are typed, and nothing that is to be pressed may move because of that.
  return [made, place, h("div", {class: "buttons"}, button("Preview names", preview, look)), preview];
}

export async function request_section(slot, again) {
  const open = (await get("/v1/requests")).find((each) => each.slot === slot);
  const content = h("div", {});
  if (open) replace(content, open_request(slot, open, again));
  else if (may("administer")) replace(content, h("p", {}, "No request is in progress."), h("div", {class: "buttons"}, h("button", {type: "button", on_click: () => replace(content, new_request(slot, again))}, "Generate CSR")));
  else replace(content, h("p", {class: "quiet"}, "No request is in progress."));
  return h("section", {"data-part": "request"}, h("h2", {}, "Certificate signing request (CSR)"), content);
}
