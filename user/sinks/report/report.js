// SPDX-License-Identifier: Apache-2.0
// What the page does beyond showing: tables sort and filter, charts tell their values. Without it
// everything is there to read.
"use strict";

const data = JSON.parse(document.getElementById("data").textContent);

// --- tables ---

const valueOf = (row, column) => {
  const cell = row.cells[column];
  return "v" in cell.dataset ? Number(cell.dataset.v) : cell.classList.contains("t") ? cell.textContent : null;
};

// What was not measured stands last, whatever the direction.
const compare = (a, b, sign) => {
  if (a === null || b === null || a === "-" || b === "-")
    return (a === null || a === "-") - (b === null || b === "-");
  return sign * (typeof a === "number" ? a - b : a.localeCompare(b));
};

function sortBy(header) {
  const table = header.closest("table");
  const column = header.cellIndex;
  const first = header.classList.contains("t") ? "ascending" : "descending";
  const other = first === "ascending" ? "descending" : "ascending";
  const direction = header.getAttribute("aria-sort") === first ? other : first;
  for (const each of table.tHead.rows[0].cells) each.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", direction);
  const sign = direction === "ascending" ? 1 : -1;
  const rows = [...table.tBodies[0].rows];
  rows.sort((a, b) => compare(valueOf(a, column), valueOf(b, column), sign));
  table.tBodies[0].append(...rows);
}

function filter(input) {
  const table = document.getElementById(input.dataset.table);
  const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const row of table.tBodies[0].rows) {
    const text = row.textContent.toLowerCase();
    row.hidden = !words.every((word) => text.includes(word));
    shown += !row.hidden;
  }
  input.closest(".tools").querySelector("output").textContent = `${shown} of ${table.tBodies[0].rows.length} rows`;
}

for (const button of document.querySelectorAll("th button"))
  button.addEventListener("click", () => sortBy(button.closest("th")));
for (const input of document.querySelectorAll("input[data-table]"))
  input.addEventListener("input", () => filter(input));

// --- findings: a link to one opens it, paper shows all ---

function openTarget() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target instanceof HTMLDetailsElement) target.open = true;
}

addEventListener("hashchange", openTarget);
addEventListener("beforeprint", () => document.querySelectorAll("details.finding").forEach((each) => (each.open = true)));
openTarget();

// --- charts ---

const plots = [...document.querySelectorAll(".plot[data-series]")];
let at = -1;
// Whether the mouse or a finger chose it. Below a mouse that rests the page may move, which sends events
// too: they do not take over from the keys.
let byPointer = false;

const binAt = (part) => {
  const time = data.begin + part * (data.end - data.begin);
  const found = data.to.findIndex((end) => time <= end);
  return found < 0 ? data.to.length - 1 : found;
};

// The same time in every chart.
function show(bin) {
  at = Math.max(0, Math.min(bin, data.to.length - 1));
  const middle = ((data.from[at] + data.to[at]) / 2 - data.begin) / (data.end - data.begin);
  for (const plot of plots) {
    plot.querySelector(".cross").hidden = false;
    plot.querySelector(".cross").style.left = `${100 * middle}%`;
    const values = plot.dataset.series.split(" ").map((id) => `${data.series[id].title} ${data.series[id].text[at]}`);
    plot.closest("figure").querySelector(".readout").textContent = `${data.at[at]}  ${values.join(", ")}`;
  }
}

function hide() {
  at = -1;
  for (const plot of plots) {
    plot.querySelector(".cross").hidden = true;
    plot.closest("figure").querySelector(".readout").textContent = "";
  }
}

function onKey(event) {
  const steps = { ArrowLeft: at < 0 ? data.to.length - 1 : at - 1, ArrowRight: at + 1, Home: 0, End: data.to.length - 1 };
  if (event.key === "Escape") hide();
  if (!(event.key in steps)) return;
  event.preventDefault();
  byPointer = false;
  show(steps[event.key]);
}

for (const plot of plots) {
  const point = (event) => {
    const box = plot.getBoundingClientRect();
    byPointer = true;
    show(binAt((event.clientX - box.left) / box.width));
  };
  plot.addEventListener("pointermove", (event) => (event.movementX || event.movementY || at < 0) && point(event));
  plot.addEventListener("pointerdown", point);
  plot.addEventListener("pointerleave", (event) => byPointer && event.pointerType === "mouse" && hide());
  plot.addEventListener("keydown", onKey);
}
