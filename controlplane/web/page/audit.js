// SPDX-License-Identifier: Apache-2.0
// Users > Audit log: who asked to change what, and what came of it, newest first, page by page.
import {get} from "./api.js";
import {field, form, h, replace, run, select, text_input} from "./dom.js";
import {table} from "./table.js";

const limit = 50;
const columns = [["Number", (each) => each.id], ["At", (each) => each.at], ["Who", (each) => each.actor], ["From", (each) => each.source], ["What", (each) => `${each.method} ${each.path}`], ["Object", (each) => each.object],
  ["Status", (each) => h("span", {class: each.refused ? "bad" : ""}, each.status)], ["More", (each) => (each.more > 0 ? `${each.more} more like it` : "")]];

export async function show_audit() {
  const actor = text_input({placeholder: "account anna"}), path = text_input({placeholder: "/v1/domains"}), outcome = select([["", "all"], ["done", "done"], ["refused", "refused"]], ""), place = h("div", {class: "outcome"});
  const filter = () => ({limit, actor: actor.value.trim(), path: path.value.trim(), outcome: outcome.value});
  async function look(query) {
    const told = await get("/v1/audit", query);
    const older = h("button", {type: "button", disabled: told.next === null, on_click: () => run(place, older, () => look({...query, before: told.next}))}, "Older");
    const newest = h("button", {type: "button", disabled: query.before === undefined, on_click: () => run(place, newest, () => look(filter()))}, "Newest");
    return [table("Audit log", columns, told.entries, {empty: "No entry fits."}), h("div", {class: "buttons"}, newest, older)];
  }
  replace(place, await look(filter()));
  return [form("Show", place, [field("Who", actor), field("Path", path), field("Outcome", outcome)], () => look(filter()), ""), place];
}
