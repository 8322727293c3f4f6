// SPDX-License-Identifier: Apache-2.0
// Users: accounts and their sessions for who administers; one's own password and sessions for everybody.
import {get, may, post, remove, session} from "./api.js";
import {box, button, confirm_by_dialog, facts, field, form, h, password_input, select, text_input} from "./dom.js";
import {table} from "./table.js";

const roles = [["read", "read: looks"], ["operate", "operate: also tests and renews"], ["administer", "administer: also changes"]];
const password_hint = "12 characters or more, 5 different ones, without the name of the account.";

// Two fields for a new password, and what was typed if both are the same.
function new_password() {
  const first = password_input({autocomplete: "new-password", required: true}), second = password_input({autocomplete: "new-password", required: true});
  return {fields: [field("New password", first, password_hint), field("New password once more", second)], are_same: () => first.value === second.value, value: () => first.value, clear: () => {
    first.value = second.value = "";
  }};
}

const not_the_same = () => box("fault", "The two passwords are not the same.");

function sessions_section(list, again) {
  const place = h("div", {class: "outcome"});
  const end = (each) => button("End", place, async () => {
    await remove("/v1/sessions", {id: each.id});
    return again(box("done", "The session is ended."));
  }, "danger");
  return [h("h2", {}, "Sessions"), place, table("Sessions", [["Account", (each) => each.account], ["From", (each) => each.source], ["Opened", (each) => each.opened], ["Ends in", (each) => `${Math.ceil(each.ends_in_s / 60)} min, unused in ${Math.ceil(each.ends_unused_in_s / 60)} min`],
    ["", (each) => (each.current ? h("span", {class: "quiet"}, "this one") : end(each))]], list)];
}

function account_actions(account, place, again) {
  const role = select(roles, account.role);
  role.setAttribute("aria-label", `Role of ${account.name}`);
  return h("div", {class: "buttons"}, role, button("Change role", place, async () => {
    await post("/v1/accounts/role", {name: account.name, role: role.value});
    return again(box("done", `${account.name} now has the role ${role.value}.`));
  }), h("a", {class: "button", href: `#/users/administrator-accounts?password=${encodeURIComponent(account.name)}`}, "Set password"), button("Delete", place, async () => {
    const is_sure = await confirm_by_dialog(`Delete ${account.name}`, h("p", {}, "The account is removed and its sessions end."), "Delete");
    if (!is_sure) return null;
    await remove("/v1/accounts", {name: account.name});
    return again(box("done", `${account.name} is removed.`));
  }, "danger"));
}

function set_password(name) {
  const password = new_password(), place = h("div", {class: "outcome"});
  return [h("p", {}, h("a", {href: "#/users/administrator-accounts"}, "All accounts"), " > ", h("strong", {}, name)), form("Set password", place, password.fields, async () => {
    if (!password.are_same()) return not_the_same();
    await post("/v1/accounts/password", {name, password: password.value()});
    password.clear();
    return box("done", `${name} has a new password; open sessions of that account are ended.`);
  }), place];
}

function new_account(again) {
  const name = text_input({required: true}), role = select(roles, "read"), password = new_password(), place = h("div", {class: "outcome"});
  return h("section", {"data-part": "new"}, h("h2", {}, "New"), form("Create account", place, [field("Name", name), field("Role", role), password.fields], async () => {
    if (!password.are_same()) return not_the_same();
    await post("/v1/accounts", {name: name.value.trim(), role: role.value, password: password.value()});
    return again(box("done", `The account ${name.value} is made.`));
  }), place);
}

export async function show_accounts({query, again}) {
  if (query.get("password")) return set_password(query.get("password"));
  const [accounts, sessions] = await Promise.all([get("/v1/accounts"), get("/v1/sessions")]);
  const place = h("div", {class: "outcome"});
  return [place, table("Accounts", [["Name", (each) => each.name], ["Role", (each) => each.role], ["Made", (each) => each.made], ["Password since", (each) => each.password_since], ["Sessions", (each) => each.sessions], ["", (each) => account_actions(each, place, again)]], accounts),
    sessions_section(sessions, again), new_account(again)];
}

export async function show_own_account({again}) {
  const sessions = (await get("/v1/sessions")).filter((each) => each.account === session.account);
  const old = password_input({autocomplete: "current-password", required: true}), password = new_password(), place = h("div", {class: "outcome"});
  return [facts([["Account", session.account], ["Role", session.role], ["May change", may("administer") ? "everything" : "its own password"]]), h("h2", {}, "Change password"), form("Change password", place, [field("Old password", old), password.fields], async () => {
    if (!password.are_same()) return not_the_same();
    await post("/v1/session/password", {old_password: old.value, password: password.value()});
    old.value = "";
    password.clear();
    return again(box("done", "The password is changed; other sessions of this account are ended."));
  }), place, sessions_section(sessions, again)];
}
