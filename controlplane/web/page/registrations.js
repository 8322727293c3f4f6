// SPDX-License-Identifier: Apache-2.0
// Status > Registrations.
import {get} from "./api.js";
import {button, h} from "./dom.js";
import {table} from "./table.js";

const most = 5000;

export async function show_registrations({again}) {
  const list = await get("/v1/registrations", {limit: most});
  const place = h("div", {class: "outcome"});
  return [h("div", {class: "buttons"}, button("Refresh", place, () => again())), place,
    table("Registrations", [["Address of record", (each) => each.aor], ["Contact", (each) => each.contact], ["Source", (each) => `${each.source} ${each.transport}`], ["State", (each) => each.state], ["Zone", (each) => each.zone],
      ["Expires in", (each) => `${each.expires_in_s} s`], ["User agent", (each) => each.user_agent]], list, {empty: "Nobody is registered through this node.", most})];
}
