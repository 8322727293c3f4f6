// SPDX-License-Identifier: Apache-2.0
// Configuration > Zones > Pair: the authority of the pair, nodes that joined, tokens, and this node's own certificates for the link.
import {get, may, post, remove, session} from "./api.js";
import {box, button, confirm_by_dialog, facts, field, form, h, password_input, text_input} from "./dom.js";
import {table} from "./table.js";

function nodes_table(list, place, again) {
  const columns = [["Node", (each) => each.fqdn], ["Zone", (each) => each.zone], ["Serial number", (each) => each.serial], ["Joined", (each) => each.joined], ["Valid until", (each) => each.not_after]];
  if (may("administer")) {
    columns.push(["", (each) => button("Remove", place, async () => {
      const is_sure = await confirm_by_dialog(`Remove ${each.fqdn}`, h("p", {}, "The node is refused from its next handshake on."), "Remove");
      if (!is_sure) return null;
      await remove("/v1/pair", {node: each.fqdn});
      return again(box("done", `${each.fqdn} is removed.`));
    }, "danger")]);
  }
  return table("Paired nodes", columns, list, {empty: "No node has joined."});
}

function certificates_table(list, place) {
  const columns = [["For", (each) => each.peer || "C nodes"], ["Zone", (each) => each.zone], ["Serial number", (each) => each.serial], ["Names", (each) => each.names], ["Valid until", (each) => each.not_after], ["Next renewal", (each) => each.next_renewal],
    ["Failure", (each) => h("span", {class: "bad"}, each.failure)]];
  if (may("operate")) {
    columns.push(["", (each) => button("Renew now", place, async () => {
      await post("/v1/pair/renewals", {peer: each.peer});
      return box("done", "The renewal has begun.");
    })]);
  }
  return table("Certificates for the link", columns, list, {empty: "None; the link uses the server's or client's certificate."});
}

function tokens(list, place, again) {
  const columns = [["Token", (each) => each.id], ["Zone", (each) => each.zone], ["Expires", (each) => each.expires]];
  if (may("administer")) {
    columns.push(["", (each) => button("Withdraw", place, async () => {
      await remove("/v1/pair/tokens", {id: each.id});
      return again(box("done", "The token is withdrawn."));
    }, "danger")]);
  }
  const zone = text_input({}), host = text_input({}), made = h("div", {class: "outcome"});
  return [h("h2", {}, "Join tokens"), table("Join tokens", columns, list, {empty: "None is open."}), may("administer") ? form("Make a join token", made, [field("Zone", zone, "May be empty where there is one zone only."), field("Host by which C reaches this node", host, "The node's FQDN, if empty.")], async () => {
    const told = await post("/v1/pair/tokens", {zone: zone.value.trim(), host: host.value.trim()});
    return box("done", h("p", {}, "Shown once; good for one use:"), h("pre", {}, told.token), facts([["Zone", told.zone], ["Expires", told.expires]]));
  }) : null, made];
}

function join(again) {
  const token = text_input({required: true}), password = password_input({autocomplete: "off"}), place = h("div", {class: "outcome"});
  return [h("h2", {}, "Join an E node"), form("Join", place, [field("Join token", token), field("Password of the zone's user", password, "Makes the zone, if there is none yet.")], async () => {
    const told = await post("/v1/pair/join", {token: token.value.trim(), password: password.value});
    return again(box("done", facts([["Joined", told.peer], ["Zone", told.zone], ["Next", told.next]])));
  }), place];
}

export async function show_pair({again}) {
  const told = await get("/v1/pair");
  const place = h("div", {class: "outcome"}), is_e = session.node_role === "E";
  return [place, is_e ? facts([["Authority", told.authority], ["Fingerprint (SHA-256)", told.authority_fingerprint_sha256], ["Valid until", told.authority_not_after]]) : null,
    is_e ? [h("h2", {}, "Nodes that joined"), nodes_table(told.nodes, place, again)] : null, h("h2", {}, "This node's certificates for the link"), certificates_table(told.certificates, place),
    is_e ? tokens(told.tokens, place, again) : null, !is_e && may("administer") ? join(again) : null];
}
