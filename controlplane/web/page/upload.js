// SPDX-License-Identifier: Apache-2.0
// A certificate that an authority made goes to the node: judged first on wish, then installed. Keys leave the fields as soon as they are sent.
import {get, post} from "./api.js";
import {box, facts, field, h, password_input, read_file, run} from "./dom.js";

function findings(told) {
  const warnings = told.warnings.length === 0 ? h("p", {}, "Nothing is to be said against it.") : h("ul", {}, told.warnings.map((each) => h("li", {}, each)));
  return [facts([["Subject", told.subject], ["Issuer", told.issuer], ["Serial number", h("code", {class: "serial"}, told.serial)], ["Alternative names", told.names], ["Valid", `${told.not_before} to ${told.not_after}`],
    ["Key", told.key], ["Replaces", told.replaces], ["Effect on connections", told.effect_on_connections]]), warnings];
}

export async function upload_section(slot, label, again) {
  const is_open = (await get("/v1/requests")).some((each) => each.slot === slot);
  const file = h("input", {type: "file", accept: ".pem,.crt,.cer,.txt"}), pasted = h("textarea", {rows: "5", spellcheck: "false", autocomplete: "off"});
  const key = h("input", {type: "file", accept: ".pem,.key,.txt", disabled: is_open}), passphrase = password_input({autocomplete: "off", disabled: is_open});
  const place = h("div", {class: "outcome"});
  const send = async (dry_run) => post("/v1/certificates", {slot, certificate: await read_file(file) || pasted.value, key: await read_file(key), passphrase: passphrase.value, file: file.files[0]?.name ?? "", dry_run});
  const check = async () => box("done", h("p", {}, h("strong", {}, "It would be taken.")), findings(await send(true)));
  const install = async () => {
    const told = await send(false);
    key.value = passphrase.value = "";
    return again(box("done", h("p", {}, h("strong", {}, "It is installed and serves the next handshake.")), findings(told)));
  };
  const try_it = h("button", {type: "button", on_click: () => run(place, try_it, check)}, "Check only");
  const press = h("button", {type: "submit", class: "main"}, label);
  return h("section", {"data-part": "upload"}, h("h2", {}, "Upload new certificate"),
    h("form", {on_submit: (event) => {
      event.preventDefault();
      run(place, press, install);
    }}, field("Certificate (PEM file)", file, "With the authorities between it and the root, in any order."), field("or its text", pasted),
    field("Private key (PEM file)", key, is_open ? "A request is in progress, and its key is here already. To upload another key, discard the CSR first." : "Only if the request was not made here."),
    field("Passphrase of the private key", passphrase, "Only if the key is protected by one; it is used once and not kept."),
    h("div", {class: "buttons"}, press, try_it)), place);
}
