"use strict";
// Data arrive as columns in <script type="application/json">; a table is read when it is first drawn.
(() => {
  const read = (id) => {
    const node = document.getElementById(id);
    return node ? JSON.parse(node.textContent) : null;
  };
  const tables = new Map();
  const table = (name, benchmark) => {
    const id = `data-${name}-${benchmark}`;
    if (!tables.has(id)) tables.set(id, rows(read(id)));
    return tables.get(id);
  };
  const rows = (columns) => {
    if (!columns) return [];
    const names = Object.keys(columns);
    const of = {};
    // Texts that repeat are numbers into a list of levels.
    for (const n of names) {
      const c = columns[n];
      of[n] = Array.isArray(c) ? (i) => c[i] : (i) => c.levels[c.codes[i]];
    }
    const first = columns[names[0]];
    const length = Array.isArray(first) ? first.length : first.codes.length;
    return Array.from({ length }, (_, i) => Object.fromEntries(names.map((n) => [n, of[n](i)])));
  };
  const about = read("about");
  const element = (tag, text, attributes = {}) => {
    const node = document.createElement(tag);
    if (text !== undefined) node.textContent = text;
    for (const [k, v] of Object.entries(attributes)) node.setAttribute(k, v);
    return node;
  };
  const $ = (id) => document.getElementById(id);
  const state = { key: "value", down: true };

  // ---- filters
  const wanted = () => ({
    benchmark: Number($("benchmark").value), family: $("family").value,
    compressor: $("compressor").value, size: Number($("size").value) || Infinity,
    controls: $("controls").value,
  });
  const passes = (row, want) =>
    (!want.family || row.family === want.family) &&
    (!want.compressor || row.compressor === want.compressor || (row.kind === "control" && want.controls !== "no")) &&
    (want.size === Infinity || row.parameters <= want.size) &&
    !(want.controls === "no" && row.kind === "control") &&
    !(want.controls === "only" && row.kind !== "control");
  const cells = () => {
    const want = wanted();
    return table("cells", want.benchmark).filter((row) => passes(row, want));
  };
  const choices = (id, values) => values.forEach((v) => $(id).append(element("option", v, { value: v })));

  // ---- ranking
  const digits = { value: 3, unique: 4, nuisance: 3, normalised: 2, bits: 2, parameters: 0, perplexity: 1 };
  const shown = (name, value) => {
    if (value === null || value === undefined) return "";
    if (name === "parameters") return value >= 1e9 ? `${(value / 1e9).toPrecision(3)} B`
      : value >= 1e6 ? `${(value / 1e6).toPrecision(3)} M` : `${(value / 1e3).toPrecision(3)} k`;
    return value.toFixed(digits[name]);
  };
  const svg = (tag, attributes) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [k, v] of Object.entries(attributes)) node.setAttribute(k, v);
    return node;
  };
  const bar = (row, scale) => {
    const box = svg("svg", { class: "bar", viewBox: "0 0 190 16", role: "img" });
    const text = [`value ${shown("value", row.value)}`];
    if (row.low !== null) text.push(`95 % interval ${shown("value", row.low)} to ${shown("value", row.high)}`);
    if (row.ceiling !== null) text.push(`ceiling ${shown("value", row.ceiling)}`);
    const title = svg("title", {});
    title.textContent = text.join(", ");
    box.append(title, svg("line", { x1: scale(0), x2: scale(0), y1: 0, y2: 16, stroke: "#c3ccd4" }));
    if (row.low !== null)
      box.append(svg("line", { x1: scale(row.low), x2: scale(row.high), y1: 8, y2: 8, stroke: "#0b3954", "stroke-width": 2 }));
    if (row.ceiling !== null)
      box.append(svg("line", { x1: scale(row.ceiling), x2: scale(row.ceiling), y1: 1, y2: 15, stroke: "#555", "stroke-dasharray": "3 2" }));
    box.append(row.kind === "control"
      ? svg("path", { d: `M${scale(row.value) - 4} 4l8 8m0 -8l-8 8`, stroke: "#333", "stroke-width": 1.8 })
      : svg("circle", { cx: scale(row.value), cy: 8, r: 4, fill: row.kind === "base" ? "#0b3954" : "white", stroke: "#0b3954", "stroke-width": 1.6 }));
    return box;
  };
  const compare = (a, b) => {
    const [x, y] = [a[state.key], b[state.key]];
    if (x === null || x === undefined) return 1;
    if (y === null || y === undefined) return -1;
    const order = typeof x === "string" ? x.localeCompare(y, undefined, { numeric: true }) : x - y;
    return state.down ? -order : order;
  };
  const rank = () => {
    const found = cells().sort(compare);
    const numbers = found.flatMap((r) => [r.value, r.low, r.high, r.ceiling]).filter((v) => v !== null);
    const low = numbers.reduce((a, b) => Math.min(a, b), 0), high = numbers.reduce((a, b) => Math.max(a, b), 0.01);
    const scale = (v) => 6 + (178 * (v - low)) / (high - low);
    const body = document.createDocumentFragment();
    for (const row of found) {
      const line = element("tr", undefined, { class: row.kind });
      const named = element("td", row.model + (row.kind === "control" ? " (control)" : ""));
      if (row.compressor !== "none") named.append(element("span", row.compressor, { class: "narrow", "aria-hidden": "true" }));
      line.append(named, element("td", row.compressor));
      for (const name of ["value"]) line.append(element("td", shown(name, row[name])));
      const drawn = element("td");
      drawn.append(bar(row, scale));
      line.append(drawn);
      if (about.verified) line.append(element("td", row.verified || "", { class: row.verified || "" }));
      for (const name of ["unique", "nuisance", "normalised", "parameters", "bits", "perplexity"]) line.append(element("td", shown(name, row[name])));
      body.append(line);
    }
    $("ranking").tBodies[0].replaceChildren(body);
    const facts = about.benchmarks[wanted().benchmark];
    $("count").textContent = `${found.length} of ${table("cells", wanted().benchmark).length} variants on ${facts.name}: ${facts.metric}.` +
      (facts.headline ? ` It is read by its ${facts.headline}.` : "");
    $("simulated").hidden = !facts.simulated;
    document.querySelectorAll("[data-answer]").forEach((node) => { node.hidden = Number(node.dataset.answer) !== wanted().benchmark; });
    for (const head of $("ranking").tHead.rows[0].cells) {
      const key = head.dataset.key;
      if (key) head.setAttribute("aria-sort", key === state.key ? (state.down ? "descending" : "ascending") : "none");
    }
  };

  // ---- figures: drawn when they come into view, drawn again when filters change
  const figures = new Map(Object.entries(read("figures")));
  const seen = new Set(), stale = new Set(figures.keys());
  // The best of each kind, kinds in turn, where a figure cannot hold all.
  const taken = (rows, figure) => {
    const down = !about.benchmarks[wanted().benchmark].lower;
    const best = rows.slice().sort((a, b) => (down ? b.value - a.value : a.value - b.value));
    if (!figure.most) return best;
    const left = new Map(figure.turns.map((turn) => [turn, best.filter((r) => r.group === turn)])), chosen = [];
    while (chosen.length < figure.most && figure.turns.some((turn) => left.get(turn).length))
      for (const turn of figure.turns) chosen.push(...left.get(turn).splice(0, 1));
    return chosen.slice(0, figure.most);
  };
  const data = (name) => {
    const figure = figures.get(name), found = taken(cells(), figure);
    if (figure.data === "cells") return found;
    const order = new Set(found.map((r) => r.variant));
    // Rows without a variant are lines that the others are read by.
    return table(figure.data, wanted().benchmark).filter((r) => (found.length && r.variant === "") || order.has(r.variant));
  };
  const draw = async (name) => {
    stale.delete(name);
    const figure = figures.get(name), box = $(`draw-${name}`), found = data(name);
    box.dataset.rows = found.length;
    const variants = new Set(found.map((r) => r.variant)).size, all = new Set(cells().map((r) => r.variant)).size;
    $(`note-${name}`).textContent = figure.most && variants && all > variants ? `${variants} of ${all} variants, the best of each kind.` : "";
    box.style.minHeight = found.length ? "" : "0";
    if (!found.length) { box.replaceChildren(element("p", "The board has nothing to draw here for this benchmark and these filters.")); return; }
    const axes = about.benchmarks[wanted().benchmark].axes;
    const spec = JSON.parse(JSON.stringify(figure.spec), (key, value) => (key === "title" && axes[value]) || value);
    spec.datasets = { rows: found };
    // Panels cannot follow their container, and leave room for axis and legend.
    const narrow = box.clientWidth < 560;
    if (spec.spec && spec.spec.width === "container") spec.spec.width = Math.max(180, box.clientWidth - (narrow ? 90 : 230));
    for (const panel of spec.vconcat || []) panel.width = Math.max(180, box.clientWidth - 80);
    // With a height a row there is no fitting to a container: the labels of rows are left room.
    if (spec.width === "container" && spec.height?.step) spec.width = Math.max(180, box.clientWidth - (narrow ? 150 : 340));
    if (narrow && name === "categories") {
      spec.width.step = 46;
      spec.height.step = 32;
      for (const layer of spec.layer) layer.encoding.y.axis = { labelExpr: "split(datum.label, '+')", labelFontSize: 11 };
    }
    if (narrow) spec.config.legend = { ...spec.config.legend, orient: "bottom", columns: 1, labelFontSize: 10 };
    // The interpreter needs no eval, so that the page's policy can forbid it.
    await window.vegaEmbed(box, spec, { ast: true, renderer: "svg", actions: { export: true, source: false, compiled: false, editor: false } });
    box.style.minHeight = "0";
    box.dataset.drawn = "yes";
  };
  const redraw = () => { for (const name of seen) if (stale.has(name)) draw(name).catch((e) => { $(`draw-${name}`).textContent = `not drawn: ${e.message}`; }); };
  const watch = new IntersectionObserver((entries) => {
    for (const e of entries) e.isIntersecting ? seen.add(e.target.dataset.figure) : seen.delete(e.target.dataset.figure);
    redraw();
  }, { rootMargin: "150px" });
  // What the board cannot draw for a benchmark, whatever the filters, takes no room.
  const offer = () => {
    const without = [...figures.keys()].filter((name) => !$(`data-${figures.get(name).data}-${wanted().benchmark}`));
    document.querySelectorAll("figure[data-figure]").forEach((node) => { node.hidden = without.includes(node.dataset.figure); });
    const titles = without.map((name) => $(`draw-${name}`).getAttribute("aria-label").toLowerCase());
    $("undrawn").textContent = titles.length ? `Not on the board for ${about.benchmarks[wanted().benchmark].name}: ${titles.join(", ")}.` : "";
  };
  const update = () => { rank(); offer(); figures.forEach((_, name) => stale.add(name)); redraw(); };
  const turn = () => { [state.key, state.down] = ["value", !about.benchmarks[wanted().benchmark].lower]; };

  // ---- downloads
  // An apostrophe keeps a spreadsheet from taking a stranger's text for a formula.
  const inert = (v) => (typeof v === "string" && /^[=+\-@\t\r]/.test(v) ? `'${v}` : v);
  const quoted = (v) => (v === null || v === undefined ? "" : /[",\n\r]/.test(String(inert(v))) ? `"${String(inert(v)).replaceAll('"', '""')}"` : String(inert(v)));
  const download = (name, found) => {
    const names = found.length ? Object.keys(found[0]) : [];
    const text = [names.join(","), ...found.map((r) => names.map((n) => quoted(r[n])).join(","))].join("\n");
    const link = element("a", "", { href: URL.createObjectURL(new Blob([text], { type: "text/csv" })), download: `${name}.csv` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };
  const file = (name) => `${about.benchmarks[wanted().benchmark].name}-${name}`;

  // ---- start
  about.benchmarks.forEach((b, i) => $("benchmark").append(element("option", b.name + (b.simulated ? " (simulated)" : ""), { value: i })));
  choices("family", about.families);
  choices("compressor", about.compressors);
  $("benchmark").addEventListener("change", turn);
  for (const id of ["benchmark", "family", "compressor", "size", "controls"]) $(id).addEventListener("change", update);
  for (const head of $("ranking").tHead.rows[0].cells) {
    const button = head.querySelector("button");
    if (button) button.addEventListener("click", () => {
      const key = head.dataset.key;
      state.down = state.key === key ? !state.down : !["model", "compressor", "parameters", "bits"].includes(key);
      state.key = key;
      rank();
    });
  }
  for (const node of document.querySelectorAll("[data-download]"))
    node.addEventListener("click", () => download(file(node.dataset.download), node.dataset.download === "table" ? cells().sort(compare) : data(node.dataset.download)));
  turn();
  update();
  document.querySelectorAll("[data-figure]").forEach((node) => watch.observe(node));
  window.brainpress = { data, cells };
})();
