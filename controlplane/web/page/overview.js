// SPDX-License-Identifier: Apache-2.0
// Status > Overview: alarms first, then what the node is and how it does.
import {get} from "./api.js";
import {box, button, facts, h} from "./dom.js";
import {table} from "./table.js";

const duration = (seconds) => `${Math.floor(seconds / 86400)} d ${Math.floor(seconds / 3600) % 24} h ${Math.floor(seconds / 60) % 60} min`;
const good = (state, word) => h("span", {class: state === word ? "good" : "bad"}, state);

export async function show_overview({again}) {
  const told = await get("/v1/status");
  const place = h("div", {class: "outcome"}), plane = told.dataplane;
  return [h("div", {class: "buttons"}, button("Refresh", place, () => again())), place, h("h2", {}, "Alarms"),
    told.alarms.length === 0 ? h("p", {class: "good"}, "No alarm is raised.") : told.alarms.map((each) => box(each.impairs ? "fault" : "warning", h("p", {}, h("strong", {}, each.kind), ` since ${each.since}`), h("p", {}, each.text))),
    h("h2", {}, "Node"), facts([["Name", told.fqdn || told.node], ["Role", told.role], ["Version", told.version], ["State", good(told.state, "ready")], ["Started", `${told.started}, ${duration(told.uptime_s)} ago`], ["Site revision", told.site_revision],
      ["Registrations", h("a", {href: "#/status/registrations"}, told.registrations)], ["Calls", h("a", {href: "#/status/calls"}, told.calls)], ["Connections of clients", told.client_connections]]),
    h("h2", {}, "Dataplane"), facts([["State", good(plane.state, "running")], ["Profile", plane.profile], ["Crypto", plane.crypto], ["Steering", plane.steering], ["Workers", plane.workers], ["Flows", `${plane.flows} of ${plane.flow_capacity}`]]),
    told.call_control.length > 0 ? [h("h2", {}, "Call control"), table("Call control", [["Name", (each) => each.name], ["Address", (each) => `${each.host}:${each.port} ${each.transport}`], ["State", (each) => good(each.state, "up")], ["Since", (each) => each.since],
      ["Reason", (each) => each.reason]], told.call_control)] : null,
    h("h2", {}, "Certificates in use"), table("Certificates in use", [["Use", (each) => each.use], ["Subject", (each) => each.subject], ["Serial number", (each) => each.serial], ["Valid until", (each) => each.not_after]], told.certificates)];
}
