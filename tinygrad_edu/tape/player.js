"use strict";
// The player. `data` is written by encoding.py: rows in order of creation, and the steps of the backward pass, which
// refer to arrays and texts by index. Time t is the number of completed steps: 0 is before the first.
const data = JSON.parse(document.getElementById("data").textContent);
const { rows, steps, arrays, texts } = data;
const byId = (id) => document.getElementById(id);
const HEIGHT = rows.length > 16 ? 34 : 46, END = steps.length;
const calm = matchMedia("(prefers-reduced-motion: reduce)");

let t = 0, chosen = rows.length - 1, items = [], placeOf = [], timer = null;
const closed = new Set();

// --- The state at a time ---

const arrivals = rows.map(() => []); // per row: [time, gradient so far]
const firstStep = rows.map(() => Infinity), lastStep = rows.map(() => -1);
for (const [row, g] of data.initial) arrivals[row].push([0, g]);
steps.forEach((step, k) => {
  if (step.total !== null) arrivals[step.to].push([k + 1, step.total]);
  firstStep[step.row] = Math.min(firstStep[step.row], k);
  lastStep[step.row] = k;
});
if (data.ended) for (const [row, g] of data.ends) if (rows[row].op === "leaf") arrivals[row].push([END, g]);

function gradientAt(row, time) {
  const list = arrivals[row];
  let low = 0, high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (list[middle][0] <= time) low = middle + 1;
    else high = middle;
  }
  return low ? list[low - 1][1] : null;
}

function stateAt(row, time) {
  if (time && steps[time - 1].row === row) return "here";
  if (lastStep[row] >= 0 && lastStep[row] < time) return "passed";
  if (gradientAt(row, time) !== null) return rows[row].op === "leaf" ? "passed" : "waiting";
  return "";
}

// --- Small helpers ---

function make(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name === "class") element.className = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

function drawn(tag, attributes) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

/** Replace the content of a box. null is skipped. */
function fill(box, ...children) {
  box.replaceChildren(...children.filter((child) => child !== null));
}

const nameOf = (row) => rows[row].name || `%${row}`;
const shapeText = (shape) => (shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(", ")})`);

function numberText(x) {
  if (typeof x === "string") return x;
  if (Number.isInteger(x) && Math.abs(x) < 1e6) return String(x);
  return String(Number(x.toPrecision(4)));
}

// --- Arrays as pictures ---

let palette = null;
function readPalette() {
  const style = getComputedStyle(document.documentElement);
  const numbers = (name) => style.getPropertyValue(name).split(",").map(Number);
  palette = { low: numbers("--low"), zero: numbers("--zero"), high: numbers("--high") };
  for (const name of ["nan", "infinite"]) {
    const hex = style.getPropertyValue(`--${name}`).trim();
    palette[name] = [1, 3, 5].map((k) => parseInt(hex.slice(k, k + 2), 16));
  }
}

function colour(x, largest) {
  if (typeof x === "string") return x === "nan" ? palette.nan : palette.infinite;
  const share = largest ? Math.max(-1, Math.min(1, x / largest)) : 0;
  const end = share < 0 ? palette.low : palette.high, weight = Math.sqrt(Math.abs(share));
  return palette.zero.map((from, k) => Math.round(from + (end[k] - from) * weight));
}

const largestOf = (array) => Math.max(Math.abs(array.low || 0), Math.abs(array.high || 0));

/** The shape of an array as tiles, lines and columns. */
function layout(shape) {
  const columns = shape.length ? shape[shape.length - 1] : 1;
  const lines = shape.length > 1 ? shape[shape.length - 2] : 1;
  return { tiles: shape.slice(0, -2).reduce((a, b) => a * b, 1), lines, columns };
}

/** A canvas with tiles `from` to `to` in a row, one pixel per number. */
function canvasOf(array, from, to) {
  const { lines, columns } = layout(array.shown), largest = largestOf(array);
  const canvas = make("canvas", { "aria-hidden": "true" });
  canvas.width = Math.max(1, columns * (to - from));
  canvas.height = Math.max(1, lines);
  const context = canvas.getContext("2d"), image = context.createImageData(canvas.width, canvas.height);
  for (let tile = from; tile < to; tile++)
    for (let y = 0; y < lines; y++)
      for (let x = 0; x < columns; x++) {
        const [r, g, b] = colour(array.numbers[(tile * lines + y) * columns + x], largest);
        image.data.set([r, g, b, 255], 4 * (y * canvas.width + (tile - from) * columns + x));
      }
  context.putImageData(image, 0, 0);
  return canvas;
}

/** The content of an array in a row: a number, or a small picture. */
function thumbnail(value) {
  if (value === null || value === undefined) return null;
  const array = arrays[value];
  if (array.numbers.length === 1) return make("span", {}, numberText(array.numbers[0]));
  if (!array.numbers.length) return make("span", {}, "empty");
  const { tiles, lines, columns } = layout(array.shown), shown = Math.min(tiles, 6);
  const canvas = canvasOf(array, 0, shown);
  const size = HEIGHT > 40 ? 14 : 9;
  canvas.style.width = `${Math.min(84, Math.max(10, columns * shown * size))}px`;
  canvas.style.height = `${Math.min(HEIGHT - 10, Math.max(size, lines * size))}px`;
  return canvas;
}

function describe(value) {
  if (value === null) return "nothing";
  if (typeof value === "string") return value;
  const array = arrays[value];
  if (array.numbers.length <= 6 && !array.every) return array.numbers.map(numberText).join(", ") || "empty";
  return `${array.dtype} ${shapeText(array.shape)}, ${numberText(array.low ?? "nan")} to ${numberText(array.high ?? "nan")}`;
}

/** An array in the panel: a table of numbers if it is small, else heat maps. */
function picture(value) {
  if (typeof value === "string") return make("span", { class: "plain" }, value);
  const array = arrays[value], { tiles, lines, columns } = layout(array.shown), largest = largestOf(array);
  const box = make("div", { role: "img", "aria-label": describe(value) });
  if (array.numbers.length <= 36 && columns <= 6 && !array.every) {
    box.removeAttribute("role");
    for (let tile = 0; tile < tiles; tile++) {
      const table = make("table", { class: "numbers" });
      for (let y = 0; y < lines; y++) {
        const line = make("tr");
        for (let x = 0; x < columns && array.numbers.length; x++) {
          const number = array.numbers[(tile * lines + y) * columns + x], rgb = colour(number, largest);
          const cell = make("td", {}, numberText(number));
          cell.style.background = `rgb(${rgb})`;
          cell.style.color = 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2] > 140 ? "#16181d" : "#ffffff";
          line.append(cell);
        }
        table.append(line);
      }
      box.append(table);
    }
    return box;
  }
  const most = Math.min(tiles, 24), scale = Math.max(1, Math.min(14, Math.floor((tiles > 1 ? 84 : 260) / Math.max(lines, columns))));
  const frame = make("div", { class: "tiles" });
  for (let tile = 0; tile < most; tile++) {
    const canvas = canvasOf(array, tile, tile + 1);
    canvas.style.width = `${columns * scale}px`;
    canvas.style.height = `${Math.max(lines * scale, lines === 1 ? 16 : 0)}px`;
    frame.append(canvas);
  }
  box.append(frame);
  const odd = array.odd ? `, ${array.odd} x NaN or infinite` : "";
  const every = array.every ? `; shown: one of every ${array.every.join(" x ")}` : "";
  const more = tiles > most ? `; ${tiles - most} more like these` : "";
  box.append(make("div", { class: "range" }, `${numberText(array.low ?? "nan")} to ${numberText(array.high ?? "nan")}${odd}${every}${more}`));
  return box;
}

function card(kind, name, what, value) {
  const array = typeof value === "number" ? arrays[value] : null;
  const about = array ? `${what ? `${what}, ` : ""}${array.dtype} ${shapeText(array.shape)}` : what;
  return make("div", { class: `card ${kind}` }, make("span", { class: "label" }, make("b", {}, name), about), picture(value));
}

// --- The rows ---

function build() {
  items = [];
  placeOf = new Array(rows.length);
  place(0, rows.length - 1, 0);
}

/** List the rows `first` to `last`. Consecutive rows of one module or vjp form a group that folds. */
function place(first, last, depth) {
  for (let k = first; k <= last; ) {
    const group = rows[k].groups[depth];
    let end = k;
    while (group !== undefined && end < last && rows[end + 1].groups[depth] === group) end++;
    if (group === undefined || end === k) {
      placeOf[k] = items.length;
      items.push({ row: k, depth });
    } else {
      const key = `${depth}:${k}`, open = !closed.has(key);
      placeOf.fill(items.length, k, end + 1);
      items.push({ key, open, depth, first: k, last: end, label: data.groups[group] });
      if (open) place(k, end, depth + 1);
    }
    k = end + 1;
  }
}

const centre = (row) => placeOf[row] * HEIGHT + HEIGHT / 2;

function rowElement(item, k) {
  const { row } = item, entry = rows[row];
  const formula = make("span", { class: "formula" }, make("span", { class: "number" }, `%${row}`));
  formula.style.setProperty("--depth", item.depth);
  if (entry.name) formula.append(make("span", { class: "name" }, entry.name), entry.op === "leaf" ? "" : " = ");
  if (entry.op !== "leaf" || !entry.name) formula.append(make("span", { class: "op" }, entry.op));
  if (entry.op !== "leaf") formula.append(`(${entry.inputs.map((input) => (input === null ? "const" : nameOf(input))).join(", ")})`);
  formula.append(make("span", { class: "shape" }, shapeText(entry.shape)));
  const value = entry.value === null ? null : arrays[entry.value], gradient = gradientAt(row, t);
  if (value && value.odd) formula.append(make("span", { class: "bad" }, value.numbers.includes("nan") ? "NaN" : "not finite"));
  const current = t ? steps[t - 1] : null;
  const element = make(
    "div",
    {
      class: `row ${stateAt(row, t)} ${current && current.to === row ? "to" : ""}`, role: "treeitem", id: `item${k}`,
      "aria-selected": String(row === chosen), "aria-level": item.depth + 1, "aria-setsize": items.length,
      "aria-posinset": k + 1, "data-row": row,
      "aria-label": `${row}: ${entry.name ? `${entry.name}, ` : ""}${entry.op}, ${shapeText(entry.shape)}` +
        (gradient === null ? "" : `, gradient ${describe(gradient)}`),
    },
    formula,
    make("span", { class: "cell value" }, thumbnail(entry.value)),
    make("span", { class: "cell gradient" }, thumbnail(gradient)),
  );
  element.style.top = `${k * HEIGHT}px`;
  return element;
}

function groupElement(item, k) {
  const count = item.last - item.first + 1;
  const formula = make(
    "span", { class: "formula" }, make("span", { class: "fold", "aria-hidden": "true" }, "▸"), item.label,
    make("span", { class: "many" }, `${count} nodes`),
  );
  formula.style.setProperty("--depth", item.depth);
  const inside = t && !item.open && steps[t - 1].row >= item.first && steps[t - 1].row <= item.last;
  const gradient = item.open ? null : gradientAt(item.last, t);
  const element = make(
    "div",
    {
      class: `row group ${inside ? "here" : ""}`, role: "treeitem", id: `item${k}`, "aria-expanded": String(item.open),
      "aria-level": item.depth + 1, "aria-setsize": items.length, "aria-posinset": k + 1, "aria-selected": "false",
      "data-key": item.key, "aria-label": `${item.label}, ${count} nodes`,
    },
    formula,
    make("span", { class: "cell value" }, item.open ? null : thumbnail(rows[item.last].value)),
    make("span", { class: "cell gradient" }, thumbnail(gradient)),
  );
  element.style.top = `${k * HEIGHT}px`;
  return element;
}

/** Draw the visible rows, and the arcs that cross them. */
function paintRows() {
  const tape = byId("tape"), top = tape.scrollTop, bottom = top + tape.clientHeight;
  const first = Math.max(0, Math.floor(top / HEIGHT) - 4), last = Math.min(items.length - 1, Math.ceil(bottom / HEIGHT) + 4);
  const visible = [];
  for (let k = first; k <= last; k++) visible.push(items[k].key ? groupElement(items[k], k) : rowElement(items[k], k));
  byId("rows").replaceChildren(...visible);
  byId("sheet").style.height = `${items.length * HEIGHT}px`;
  const active = byId(`item${placeOf[chosen]}`);
  if (active) tape.setAttribute("aria-activedescendant", active.id);
  else tape.removeAttribute("aria-activedescendant");
  paintArcs(first, last);
}

function paintArcs(first, last) {
  const svg = byId("arcs"), width = parseFloat(getComputedStyle(svg).width), spine = width - 10;
  svg.setAttribute("width", width);
  svg.setAttribute("height", items.length * HEIGHT);
  const current = t ? steps[t - 1] : null, paths = new Map();
  rows.forEach((entry, row) => {
    for (const input of entry.inputs) {
      if (input === null) continue;
      const from = placeOf[input], to = placeOf[row];
      if (from === to || Math.max(from, to) < first || Math.min(from, to) > last) continue;
      const on = current && current.row === row && current.to === input;
      const kind = on ? "on" : row === chosen || input === chosen ? "near" : "";
      const key = `${from}-${to}`;
      if (!paths.has(key) || kind === "on") paths.set(key, [kind, from, to]);
    }
  });
  const arcs = [...paths.values()].sort((a, b) => ["", "near", "on"].indexOf(a[0]) - ["", "near", "on"].indexOf(b[0]));
  const shapes = arcs.slice(-600).map(([kind, from, to]) => {
    const y1 = from * HEIGHT + HEIGHT / 2, y2 = to * HEIGHT + HEIGHT / 2;
    const out = spine - Math.min(spine - 6, 8 + 13 * Math.log2(1 + Math.abs(to - from)));
    const bend = Math.sign(y1 - y2) * Math.min(Math.abs(y1 - y2) / 2, 40);
    // Towards the input, the direction of the gradient.
    return drawn("path", { class: kind, d: `M${spine} ${y2}Q${out} ${y2},${out} ${y2 + bend}V${y1 - bend}Q${out} ${y1},${spine} ${y1}` });
  });
  const dots = [];
  for (let k = first; k <= last; k++)
    if (!items[k].key) {
      const row = items[k].row, state = stateAt(row, t);
      dots.push(drawn("circle", { cx: spine, cy: centre(row), r: 4.5, class: `${rows[row].op === "leaf" ? "leaf" : ""} ${state}` }));
    }
  svg.replaceChildren(...shapes, ...dots);
}

// --- The panel ---

/** The source of the vjp, with the gradient and its arguments coloured. */
function coloured(text, step) {
  const block = make("pre", { id: "vjp" }), asked = new Set(step.asked.map(([name]) => name));
  const g = (/^(?:lambda|def \w+\()\s*(\w+)/.exec(text) || [])[1];
  for (const part of text.split(/(\b\w+\b)/)) {
    const kind = part === g ? "g" : asked.has(part) ? "asked" : "";
    block.append(kind ? make("span", { class: kind }, part) : part);
  }
  return block;
}

const LARGE = /\b(float|u?int|bool)\d* \(/; // a dtype and shape instead of values

function waitingAt(time) {
  const waiting = [];
  for (let row = rows.length - 1; row >= 0 && waiting.length < 13; row--)
    if (stateAt(row, time) === "waiting" && firstStep[row] !== Infinity) waiting.push(row);
  return waiting;
}

function paintStep() {
  const box = byId("step");
  if (!t) {
    const [row, g] = data.initial[0] || [rows.length - 1, null];
    fill(
      box,
      make("h2", {}, "Recorded, before the backward pass"),
      make("p", {}, `Rows are in order of creation, which is a topological order. The backward pass begins at `,
        make("code", {}, nameOf(row)), ` and always continues with the newest row that has a gradient: that gradient is complete.`),
      g === null ? null : card("g", "initial gradient", "", g),
      END ? make("p", { class: "small" }, "Right arrow: one step. Space: play.") : null,
    );
    return;
  }
  const step = steps[t - 1], entry = rows[step.row], text = texts[step.vjp], values = texts[step.substituted];
  const flow = make("div", { class: "flow" }, card("g", "g", `complete gradient of ${nameOf(step.row)}`, step.g));
  for (const [name, value] of step.asked) flow.append(card("asked", name, "", value));
  flow.append(make("hr", { class: "then" }));
  if (step.returned === null) flow.append(make("p", { class: "wrong" }, "The vjp raised an error."));
  else flow.append(card("out", "returns", "", step.returned));
  if (step.contribution === null && step.returned !== null) flow.append(make("p", { class: "wrong" }, "The engine rejected the result."));
  else if (step.contribution !== step.returned) flow.append(card("out", "unbroadcast", "summed over the broadcast axes", step.contribution));
  if (step.total !== null && step.total !== step.contribution) flow.append(card("out", "sum", `so far at ${nameOf(step.to)}`, step.total));
  const waiting = waitingAt(t), chips = make("div", { class: "chips" });
  if (waiting.length) {
    chips.append(make("span", { class: "small" }, "waiting, newest first:"));
    waiting.slice(0, 12).forEach((row) => chips.append(make("span", { class: "chip" }, nameOf(row))));
    if (waiting.length > 12) chips.append(make("span", { class: "small" }, "..."));
  } else if (t === END && data.ended) chips.append(make("span", { class: "small" }, "No row is waiting. The gradients of the leaves are in .grad."));
  fill(
    box,
    make("h2", {}, "Gradient of ", make("code", {}, entry.op), " with respect to ", make("code", {}, step.argument)),
    make("p", { class: "small" }, `from ${nameOf(step.row)} back to ${nameOf(step.to)}; ${step.us} µs`),
    coloured(text, step),
    values && !LARGE.test(values) ? make("pre", { class: "values", id: "values" }, values) : null,
    step.anomalies.length ? make("p", { class: "wrong" }, `The vjp returned ${step.anomalies.join(" and ")}, which its inputs do not contain.`) : null,
    flow,
    chips,
  );
}

function paintRow() {
  const entry = rows[chosen], list = make("dl"), gradient = gradientAt(chosen, t);
  const say = (term, ...what) => list.append(make("dt", {}, term), make("dd", {}, ...what));
  say("result", make("code", {}, `${entry.dtype} ${shapeText(entry.shape)}`));
  if (entry.inputs.length) say("inputs", make("code", {}, entry.inputs.map((k) => (k === null ? "const" : nameOf(k))).join(", ")));
  if (entry.line) say("called at", make("code", {}, entry.line), ` ${entry.code}`);
  if (entry.groups.length) say("in", entry.groups.map((k) => data.groups[k]).join(" › "));
  const texts_ = entry.saved.filter(([, value]) => typeof value !== "number");
  if (entry.saved.length) say("saved", `${entry.bytes.toLocaleString("en")} bytes${texts_.length ? "; " : ""}`, make("code", {}, texts_.map(([name, value]) => `${name} = ${value}`).join(", ")));
  const flow = make("div", { class: "flow" });
  if (entry.value !== null) flow.append(card("asked", "value", "", entry.value));
  if (gradient !== null) flow.append(card("g", "gradient", stateAt(chosen, t) === "waiting" ? "so far" : "", gradient));
  for (const [name, value, vjps] of entry.saved) if (typeof value === "number") flow.append(card("asked", name, `saved for the vjp of ${vjps}`, value));
  const title = entry.name ? `${entry.name}, row %${chosen}` : `Row %${chosen}`;
  byId("row").replaceChildren(make("h2", {}, `${title}: `, make("code", {}, entry.op)), list, flow);
}

// --- Moving ---

function paint() {
  paintRows();
  paintStep();
  paintRow();
  byId("slider").value = t;
  byId("count").textContent = `${t} / ${END}`;
  byId("slider").setAttribute("aria-valuetext", `step ${t} of ${END}`);
  byId("first").disabled = byId("back").disabled = t === 0;
  byId("next").disabled = byId("last").disabled = t === END;
}

function show(row) {
  const tape = byId("tape"), y = centre(row), margin = 2 * HEIGHT;
  const low = tape.scrollTop + margin, high = tape.scrollTop + tape.clientHeight - margin;
  if (y < low || y > high) tape.scrollTop = Math.max(0, y - tape.clientHeight / 2);
}

function go(time) {
  t = Math.max(0, Math.min(END, time));
  if (t) {
    chosen = steps[t - 1].to;
    show(steps[t - 1].to);
    show(steps[t - 1].row);
  }
  paint();
  const step = t ? steps[t - 1] : null;
  byId("live").textContent = step
    ? `Step ${t} of ${END}: ${rows[step.row].op}, row ${step.row}, adds to the gradient of row ${step.to}: ${describe(step.contribution)}.`
    : "Before the first step.";
}

function choose(row) {
  chosen = row;
  show(row);
  paintRows();
  paintRow();
}

function toggle(key) {
  if (!closed.delete(key)) closed.add(key);
  build();
  paintRows();
}

function play(on) {
  clearInterval(timer);
  timer = null;
  if (on && t === END) go(0);
  if (on && END) timer = setInterval(() => (t < END ? go(t + 1) : play(false)), Math.max(80, Math.min(1100, 90000 / END)));
  byId("icon").setAttribute("d", timer ? "M7 5h3.6v14H7zM13.4 5H17v14h-3.6z" : "M8 5v14l11-7z");
  byId("play").setAttribute("aria-label", timer ? "Pause (space)" : "Play (space)");
}

function step(by) {
  play(false);
  go(t + by);
}

const KEYS = {
  ArrowRight: () => step(1), ArrowLeft: () => step(-1), Home: () => step(-END), End: () => step(END),
  " ": () => play(!timer),
};
const LIST_KEYS = { ArrowDown: 1, ArrowUp: -1, PageDown: 12, PageUp: -12 };

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const target = event.target;
  if (target.id === "slider" && event.key !== " ") return;
  if (target.tagName === "BUTTON" && event.key === " ") return;
  if (target.id === "tape" && event.key in LIST_KEYS) moveChoice(LIST_KEYS[event.key]);
  else if (target.id === "tape" && event.key === "Enter") toggleAround(chosen);
  else if (event.key in KEYS) KEYS[event.key]();
  else return;
  event.preventDefault();
});

/** Choose a row by a relative position. A closed group counts as one row. */
function moveChoice(by) {
  const to = Math.max(0, Math.min(items.length - 1, placeOf[chosen] + by)), towards = Math.sign(by);
  for (let k = to; k >= 0 && k < items.length; k += towards)
    if (!items[k].key || !items[k].open) return choose(items[k].key ? items[k].last : items[k].row);
}

function toggleAround(row) {
  const closedOne = items[placeOf[row]], around = items.filter((item) => item.key && item.first <= row && row <= item.last);
  const group = closedOne.key ? closedOne : around[around.length - 1];
  if (group) toggle(group.key);
}

byId("rows").addEventListener("click", (event) => {
  const element = event.target.closest(".row");
  if (element && element.dataset.key) toggle(element.dataset.key);
  else if (element) choose(Number(element.dataset.row));
});
byId("tape").addEventListener("scroll", () => requestAnimationFrame(paintRows));
byId("first").addEventListener("click", () => step(-END));
byId("back").addEventListener("click", () => step(-1));
byId("next").addEventListener("click", () => step(1));
byId("last").addEventListener("click", () => step(END));
byId("play").addEventListener("click", () => play(!timer));
byId("slider").addEventListener("input", () => { play(false); go(Number(byId("slider").value)); });
addEventListener("resize", paintRows);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { readPalette(); paint(); });

byId("slider").max = END;
byId("summary").textContent =
  `${rows.length.toLocaleString("en")} rows, ${END.toLocaleString("en")} steps` + (data.ended ? "" : "; the backward pass raised an error");
document.documentElement.style.setProperty("--height", `${HEIGHT}px`);
readPalette();
build();
if (rows.length > 60) { // fold the rows of each part of the model
  for (const item of items) if (item.key && item.depth > 0) closed.add(item.key);
  build();
}
show(rows.length - 1);
paint();
