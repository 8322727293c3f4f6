// SPDX-License-Identifier: Apache-2.0
// A certificate or request of a slot as text: shown decoded, shown as PEM, or saved.
import {get_text} from "./api.js";
import {box, button, download, h} from "./dom.js";

export const file_name = (slot) => slot.replace("/", "-").replaceAll("*", "wildcard");

// Buttons that show or save the text that `path` tells of a slot.
export function show_buttons(path, slot, name, place) {
  const show = (form) => async () => h("pre", {tabindex: "0", "data-form": form}, await get_text(path, {slot, form}));
  return [button("Show (decoded)", place, show("decoded")), button("Show (PEM file)", place, show("pem")), button("Download", place, async () => {
    download(name, await get_text(path, {slot, form: "pem"}), "application/x-pem-file");
    return box("done", `${name} is saved`);
  })];
}
