// SPDX-License-Identifier: Apache-2.0
// A table of rows, a page of it at a time, and a filter where there are many.
import {h, field, replace, text_input} from "./dom.js";

const rows_per_page = 50;

// columns: [title, row => text or element]. `most`: how many rows were asked for; if all of them came there may be more.
export function table(name, columns, rows, {empty = "none", most = 0} = {}) {
  if (rows.length === 0) return h("p", {class: "quiet"}, empty);
  let begin = 0, shown = rows;
  const body = h("tbody", {});
  const where = h("span", {class: "quiet", role: "status"});
  const back = h("button", {type: "button", on_click: () => turn(-rows_per_page)}, "Previous");
  const on = h("button", {type: "button", on_click: () => turn(rows_per_page)}, "Next");

  function draw() {
    const part = shown.slice(begin, begin + rows_per_page);
    replace(body, part.map((row) => h("tr", {}, columns.map(([, cell]) => h("td", {}, cell(row))))));
    back.disabled = begin === 0;
    on.disabled = begin + rows_per_page >= shown.length;
    where.textContent = shown.length === 0 ? "none fits" : `${begin + 1} to ${begin + part.length} of ${shown.length}`;
  }
  function turn(by) {
    begin += by;
    draw();
  }
  function sift(words) {
    shown = rows.filter((row) => JSON.stringify(row).toLowerCase().includes(words.toLowerCase()));
    begin = 0;
    draw();
  }

  draw();
  const grid = h("div", {class: "scroll", tabindex: "0", role: "region", "aria-label": name},
    h("table", {}, h("thead", {}, h("tr", {}, columns.map(([title]) => h("th", {scope: "col"}, title)))), body));
  if (rows.length <= rows_per_page) return grid;
  const more = most > 0 && rows.length >= most ? h("p", {class: "quiet"}, `Only the first ${most} are listed.`) : null;
  return h("div", {}, field("Filter", text_input({on_input: (event) => sift(event.target.value)})), grid, h("div", {class: "buttons"}, back, on, where), more);
}
