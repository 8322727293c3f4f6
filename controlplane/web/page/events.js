// SPDX-License-Identifier: Apache-2.0
// Status > Event log: the newest lines, newest first.
import {get} from "./api.js";
import {button, h} from "./dom.js";
import {table} from "./table.js";

const lines = 1000;

export async function show_events({again}) {
  const list = (await get("/v1/logs", {lines})).reverse();
  const place = h("div", {class: "outcome"});
  return [h("div", {class: "buttons"}, button("Refresh", place, () => again())), place,
    table("Events", [["At", (each) => each.at], ["Level", (each) => h("span", {class: each.level === "info" ? "" : "bad"}, each.level)], ["Kind", (each) => each.kind], ["Event", (each) => each.text]], list, {most: lines})];
}
