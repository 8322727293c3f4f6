// SPDX-License-Identifier: Apache-2.0
// The REST interface (docs/openapi.json), and the session in which it is asked. The cookie is the browser's; the token against forged
// requests is kept here and nowhere else.

const ranks = ["read", "operate", "administer"];
const token_lost = "token against forged requests";

export class Fault extends Error {
  constructor({subject, cause, remedy}, status = 0) {
    super(cause);
    Object.assign(this, {subject, cause, remedy, status});
  }
}

export const session = {account: "", role: "", token: "", node_role: ""};
let when_ended = () => {};

// Whom to tell when the node says that there is no session.
export function on_session_end(told) {
  when_ended = told;
}

// Whether what needs that role is to be offered; the node judges anew.
export const may = (role) => ranks.indexOf(session.role) >= ranks.indexOf(role);

function take_session(told) {
  session.account = told.account;
  session.role = told.role;
  session.token = told.csrf_token;
}

async function send(method, path, {query = {}, body} = {}) {
  const wanted = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== "" && value !== undefined));
  const headers = {};
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (method !== "GET" && session.token) headers["X-CSRF-Token"] = session.token;
  try {
    return await fetch(path + (wanted.size > 0 ? `?${wanted}` : ""), {method, headers, body: body === undefined ? undefined : JSON.stringify(body), credentials: "same-origin", cache: "no-store", redirect: "error"});
  } catch {
    throw new Fault({subject: "the node", cause: "does not answer", remedy: "check that it runs and can be reached, and do it again"});
  }
}

async function fault_of(reply) {
  try {
    return new Fault((await reply.json()).error, reply.status);
  } catch {
    return new Fault({subject: "the node", cause: `answered ${reply.status}`, remedy: "look at its log"}, reply.status);
  }
}

// Another tab may have logged in anew: the cookie then is of that session, and so must the token be.
async function renew_token() {
  const reply = await send("GET", "/v1/session");
  if (!reply.ok) return false;
  const told = await reply.json();
  if (told.account !== session.account) {
    location.reload();
    return false;
  }
  take_session(told);
  return true;
}

async function ask_again(reply, method, path, options) {
  if (reply.status === 429 && method === "GET") {
    await new Promise((resolve) => setTimeout(resolve, 1000 * Math.min(Number(reply.headers.get("Retry-After")) || 1, 10)));
    return send(method, path, options);
  }
  if (reply.status === 403 && (await fault_of(reply.clone())).cause.includes(token_lost) && await renew_token()) return send(method, path, options);
  return reply;
}

// What the node answers: JSON, or `as` "text" or "blob". Throws a Fault.
export async function ask(method, path, options = {}) {
  const first = await send(method, path, options);
  const reply = await ask_again(first, method, path, options);
  if (reply.status === 401) {
    when_ended();
    throw new Fault({subject: "the session", cause: "had ended", remedy: "log in, and do it again; what was typed is still here"}, 401);
  }
  if (!reply.ok) throw await fault_of(reply);
  if (options.as === "text") return reply.text();
  if (options.as === "blob") return reply.blob();
  return reply.json();
}

export const get = (path, query = {}) => ask("GET", path, {query});
export const get_text = (path, query = {}) => ask("GET", path, {query, as: "text"});
export const post = (path, body, query = {}) => ask("POST", path, {body, query});
export const remove = (path, query) => ask("DELETE", path, {query});

// Whether there is a session already: after a reload, or in another tab.
export async function resume() {
  const reply = await send("GET", "/v1/session");
  if (reply.status === 401) return false;
  if (!reply.ok) throw await fault_of(reply);
  take_session(await reply.json());
  return true;
}

export async function log_in(name, password) {
  const reply = await send("POST", "/v1/session", {body: {name, password}});
  if (!reply.ok) throw await fault_of(reply);
  take_session(await reply.json());
}

export async function log_out() {
  const reply = await send("DELETE", "/v1/session");
  Object.assign(session, {account: "", role: "", token: ""});
  if (!reply.ok && reply.status !== 401) throw await fault_of(reply);
}
