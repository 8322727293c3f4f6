// SPDX-License-Identifier: Apache-2.0
// Maintenance > Backup: the store with its keys, sealed by a passphrase, as a file.
import {ask, session} from "./api.js";
import {box, download, field, form, h, password_input} from "./dom.js";

export async function show_backup() {
  const passphrase = password_input({autocomplete: "new-password", required: true}), again = password_input({autocomplete: "new-password", required: true}), place = h("div", {class: "outcome"});
  return [h("p", {}, "The file holds everything that an operator set here, with every private key. Who has it and the passphrase has the node. It is restored by sallyport restore on the node itself."),
    form("Make a backup", place, [field("Passphrase", passphrase), field("Passphrase once more", again)], async () => {
      if (passphrase.value !== again.value) return box("fault", "The two passphrases are not the same.");
      const sealed = await ask("POST", "/v1/backup", {body: {passphrase: passphrase.value}, as: "blob"});
      const name = `sallyport-${session.node_role.toLowerCase()}-${new Date().toISOString().slice(0, 10)}.backup`;
      passphrase.value = again.value = "";
      download(name, sealed);
      return box("done", `${name} is saved, ${sealed.size} bytes.`);
    }), place];
}
