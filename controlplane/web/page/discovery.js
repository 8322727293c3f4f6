// SPDX-License-Identifier: Apache-2.0
// Maintenance > Tools > Service discovery, on E: what clients outside find of its domains.
import {post} from "./api.js";
import {field, form, h, text_input} from "./dom.js";
import {steps_table} from "./zones.js";

export async function show_discovery() {
  const domain = text_input({}), place = h("div", {class: "outcome"});
  return [form("Test", place, [field("Domain", domain, "Every domain of clients, if empty.")], async () => {
    const told = await post("/v1/discovery/test", undefined, {domain: domain.value.trim()});
    return told.map((each) => [h("h2", {}, each.domain), h("p", {class: each.passed ? "good" : "bad"}, each.passed ? "passed" : "failed"), steps_table(each.steps)]);
  }), place];
}
