// SPDX-License-Identifier: Apache-2.0
// Elements made of words. Whatever comes from a node is set as text; nothing here or elsewhere takes markup.

let ids = 0;

// An element with its attributes and children: texts, elements, or lists of them. `on_click` and the like are listeners.
export function h(name, attributes, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes ?? {})) {
    if (key.startsWith("on_")) element.addEventListener(key.slice(3), value);
    else if (key === "value") element.value = value;
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(key, String(value));
  }
  fill(element, children);
  return element;
}

function fill(element, children) {
  for (const child of children) {
    if (Array.isArray(child)) fill(element, child);
    else if (child instanceof Node) element.append(child);
    else if (child !== null && child !== undefined && child !== false) element.append(String(child));
  }
}

export function replace(element, ...children) {
  element.replaceChildren();
  fill(element, children);
}

export const box = (kind, ...children) => h("div", {class: `box ${kind}`, role: kind === "fault" ? "alert" : "status"}, ...children);

// What the REST interface says of a failure: subject, cause, remedy.
export function fault_box(fault) {
  const told = "cause" in fault ? fault : {subject: "this page", cause: String(fault), remedy: "load it again"};
  return box("fault", h("p", {}, h("strong", {}, told.subject), ": ", h("span", {class: "cause"}, told.cause)),
    told.remedy ? h("p", {}, "What to do: ", h("span", {class: "remedy"}, told.remedy)) : null);
}

// Pairs of label and value; what is empty is left out.
export function facts(pairs) {
  const list = h("dl", {class: "facts"});
  for (const [label, value] of pairs) {
    if (value === "" || value === null || value === undefined || (Array.isArray(value) && value.length === 0)) continue;
    const shown = Array.isArray(value) ? value.map((each) => h("div", {}, each)) : value;
    list.append(h("dt", {}, label), h("dd", {}, shown));
  }
  return list;
}

// An input with its label and, if need be, a hint.
export function field(label, input, hint) {
  input.id ||= `input-${++ids}`;
  const told = hint ? h("p", {class: "hint", id: `${input.id}-hint`}, hint) : null;
  if (told) input.setAttribute("aria-describedby", told.id);
  return h("div", {class: "field"}, h("label", {for: input.id}, label), input, told);
}

export const text_input = (attributes) => h("input", {type: "text", autocomplete: "off", autocapitalize: "none", spellcheck: "false", ...attributes});
export const password_input = (attributes) => h("input", {type: "password", ...attributes});
export const select = (choices, chosen) => h("select", {}, choices.map(([value, label]) => h("option", {value, selected: value === chosen}, label ?? value)));

// Does `work` and shows in `place` what it returns, or why it failed; the button rests meanwhile. What is at work is told to those who
// cannot see, and to tests, by aria-busy.
export async function run(place, button, work) {
  if (button) button.disabled = true;
  place.setAttribute("aria-busy", "true");
  place.replaceChildren();
  try {
    const shown = await work();
    if (shown) replace(place, shown);
  } catch (fault) {
    replace(place, fault_box(fault));
  } finally {
    place.removeAttribute("aria-busy");
    if (button) button.disabled = false;
  }
}

// A button whose outcome is shown in `place`.
export function button(label, place, work, kind = "") {
  const made = h("button", {type: "button", class: kind, on_click: () => run(place, made, work)}, label);
  return made;
}

// A form: fields, and a button that does `work` when it is pressed or Enter is.
export function form(label, place, fields, work, kind = "main") {
  const press = h("button", {type: "submit", class: kind}, label);
  return h("form", {on_submit: (event) => {
    event.preventDefault();
    run(place, press, work);
  }}, fields, h("div", {class: "buttons"}, press));
}

// Asks before something is done that cannot be taken back: true if so.
export function confirm_by_dialog(title, told, word) {
  return new Promise((resolve) => {
    const dialog = h("dialog", {"aria-label": title}, h("h2", {}, title), told,
      h("div", {class: "buttons"}, h("button", {type: "button", autofocus: true, on_click: () => dialog.close("")}, "Cancel"),
        h("button", {type: "button", class: "danger", on_click: () => dialog.close("yes")}, word)));
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

export function download(name, content, type) {
  const url = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], {type}));
  const link = h("a", {href: url, download: name});
  document.body.append(link);
  link.click();
  link.remove();
  URL.revokeObjectURL(url);
}

export const read_file = async (input) => (input.files.length > 0 ? await input.files[0].text() : "");
