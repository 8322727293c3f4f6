// SPDX-License-Identifier: Apache-2.0
// The frame: who is logged in, the menu, and the page that the address names behind its "#".
import {session, may, on_session_end, resume, log_in, log_out, get, Fault} from "./api.js";
import {h, box, fault_box, field, form, password_input, replace, text_input} from "./dom.js";
import {pages, path_of} from "./menu.js";

const login = document.getElementById("login");
const application = document.getElementById("application");
let shown_account = "";  // whose pages stand in `application`

function show_login(why = "") {
  if (!login.hidden) return;
  const name = text_input({name: "username", autocomplete: "username", required: true, value: shown_account});
  const password = password_input({name: "password", autocomplete: "current-password", required: true});
  const place = h("div", {});
  replace(login, h("main", {class: "narrow"}, h("h1", {}, "Sallyport"), why ? box("warning", why) : null,
    form("Log in", place, [field("Account", name), field("Password", password)], async () => {
      await log_in(name.value, password.value);
      await enter();
    }), place));
  // What was typed stays where it is, behind the login.
  application.hidden = true;
  login.hidden = false;
  document.title = "Log in - Sallyport";
  (shown_account ? password : name).focus();
}

// With the account that was here before, its page is still there.
async function enter() {
  const node = await get("/v1/status");
  session.node_role = node.role;
  const is_same = shown_account === session.account;
  if (!is_same) draw_frame(node);
  login.hidden = true;
  login.replaceChildren();
  application.hidden = false;
  if (!is_same) show_page();
}

function draw_frame(node) {
  shown_account = session.account;
  const place = h("div", {});
  const leave = h("button", {type: "button", on_click: async () => {
    try {
      await log_out();
      location.reload();
    } catch (fault) {
      replace(place, fault_box(fault));
    }
  }}, "Log out");
  replace(application, h("a", {class: "skip", href: "#page", on_click: (event) => {
    event.preventDefault();
    document.querySelector("#page h1")?.focus();
  }}, "To the page"),
  h("header", {}, h("strong", {}, "Sallyport"), h("span", {}, `${node.fqdn || node.node} (${node.role})`), h("span", {class: "who"}, `${session.account}, ${session.role}`), leave), place,
  h("div", {class: "columns"}, h("nav", {"aria-label": "Menu"}, menu()), h("main", {id: "page"})));
}

const is_offered = (page) => may(page.role) && (!page.node || page.node === session.node_role);

// Lists in lists, as the words of the places are. On a phone, where it stands above the page, most of it is folded.
function menu() {
  const is_narrow = matchMedia("not all and (min-width: 60rem)").matches;
  const list = h("ul", {});
  const groups = new Map();
  for (const page of pages.filter(is_offered)) {
    let parent = list;
    page.place.slice(0, -1).forEach((word, depth) => {
      const key = page.place.slice(0, depth + 1).join(">");
      if (!groups.has(key)) {
        const inner = h("ul", {});
        parent.append(h("li", {}, depth === 0 ? h("details", {open: !is_narrow || page.place[0] === pages[0].place[0]}, h("summary", {}, word), inner) : [h("span", {class: "group"}, word), inner]));
        groups.set(key, inner);
      }
      parent = groups.get(key);
    });
    parent.append(h("li", {}, h("a", {href: path_of(page)}, page.place.at(-1))));
  }
  return list;
}

async function show_page() {
  const main = document.getElementById("page");
  if (!main) return;
  const [path, query] = location.hash.split("?");
  const page = pages.find((each) => is_offered(each) && path_of(each) === path) ?? pages[0];
  for (const link of application.querySelectorAll("nav a")) {
    if (link.getAttribute("href") === path_of(page)) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const title = h("h1", {tabindex: "-1"}, page.place.at(-1));
  const content = h("div", {class: "content", "aria-busy": "true"}, h("p", {class: "quiet"}, "Loading …"));
  replace(main, title, h("p", {class: "path"}, page.place.join(" > ")), content);
  document.title = `${page.place.at(-1)} - Sallyport`;
  title.focus();
  await show_in(content, page, new URLSearchParams(query ?? ""));
}

// Once its facts are there. A page draws itself anew by `again` after it changed them, below what is to be said of that.
async function show_in(content, page, query, notice = null) {
  const again = (told) => show_in(content, page, query, told);
  try {
    const shown = await page.show({query, again});
    replace(content, notice, shown);
    notice?.setAttribute("tabindex", "-1");
    notice?.focus();
  } catch (fault) {
    if (!(fault instanceof Fault)) console.error(fault);
    replace(content, fault_box(fault));
  }
  content.removeAttribute("aria-busy");
}

on_session_end(() => show_login("The session has ended. Log in to go on; what was typed is kept."));
window.addEventListener("hashchange", show_page);
try {
  if (await resume()) await enter();
  else show_login();
} catch (fault) {
  replace(login, h("main", {class: "narrow"}, fault_box(fault)));
  login.hidden = false;
}
