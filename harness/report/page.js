"use strict";
// Data arrive as columns in <script type="application/json">; a table is read when it is first drawn.
const page = (() => {
  const read = (id) => {
    const node = document.getElementById(id);
    return node ? JSON.parse(node.textContent) : null;
  };
  const rows = (columns) => {
    if (!columns) return [];
    const names = Object.keys(columns), of = {};
    // Texts that repeat are numbers into a list of levels.
    for (const n of names) {
      const c = columns[n];
      of[n] = Array.isArray(c) ? (i) => c[i] : (i) => c.levels[c.codes[i]];
    }
    const first = columns[names[0]];
    const length = Array.isArray(first) ? first.length : first.codes.length;
    return Array.from({ length }, (_, i) => Object.fromEntries(names.map((n) => [n, of[n](i)])));
  };
  const tables = new Map();
  const table = (name, benchmark) => {
    const id = `data-${name}-${benchmark}`;
    if (!tables.has(id)) tables.set(id, rows(read(id)));
    return tables.get(id);
  };
  const about = read("about");
  const element = (tag, text, attributes = {}) => {
    const node = document.createElement(tag);
    if (text !== undefined) node.textContent = text;
    for (const [k, v] of Object.entries(attributes)) node.setAttribute(k, v);
    return node;
  };
  const svg = (tag, attributes, text) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [k, v] of Object.entries(attributes)) node.setAttribute(k, v);
    if (text !== undefined) node.textContent = text;
    return node;
  };
  const $ = (id) => document.getElementById(id);

  // ---- filters
  const FILTERS = ["benchmark", "family", "compressor", "size", "controls"];
  const wanted = () => ({
    benchmark: Number($("benchmark").value), family: $("family").value,
    compressor: $("compressor").value, size: Number($("size").value) || Infinity,
    controls: $("controls").value,
  });
  // The base of what a compressor made stays: a change is a change from it.
  const passes = (row, want) =>
    (!want.family || row.family === want.family) &&
    (!want.compressor || row.compressor === want.compressor || row.kind === "base" || row.kind === "control") &&
    (want.size === Infinity || row.parameters <= want.size) &&
    !(want.controls === "no" && row.kind === "control") &&
    !(want.controls === "only" && row.kind !== "control");
  const cells = (benchmark = wanted().benchmark) => {
    const want = wanted();
    return table("cells", benchmark).filter((row) => passes(row, want));
  };
  const facts = () => about.benchmarks[wanted().benchmark];

  // ---- texts of numbers
  const digits = { value: 3, unique: 4, nuisance: 3, normalised: 2, bits: 2, perplexity: 1, change: 3 };
  const known = (v) => v !== null && v !== undefined;
  const shown = (name, value) => {
    if (!known(value)) return "";
    if (name === "parameters") return value >= 1e9 ? `${(value / 1e9).toPrecision(3)} B`
      : value >= 1e6 ? `${(value / 1e6).toPrecision(3)} M` : `${(value / 1e3).toPrecision(3)} k`;
    if (name === "mebibytes") return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
    if (name === "coverage") return `${Math.round(100 * value)} %`;
    // What rounds to nothing has no sign.
    const text = value.toFixed(digits[name]), bare = Number(text) ? text : text.replace("-", "");
    return (name === "change" && Number(text) > 0 ? "+" : "") + bare.replace("-", "\u2212");
  };

  // ---- downloads
  // An apostrophe keeps a spreadsheet from taking a stranger's text for a formula.
  const inert = (v) => (typeof v === "string" && /^[=+\-@\t\r]/.test(v) ? `'${v}` : v);
  const quoted = (v) => (known(v) ? (/[",\n\r]/.test(String(inert(v))) ? `"${String(inert(v)).replaceAll('"', '""')}"` : String(inert(v))) : "");
  const download = (name, found) => {
    const names = found.length ? Object.keys(found[0]) : [];
    const text = [names.join(","), ...found.map((r) => names.map((n) => quoted(r[n])).join(","))].join("\n");
    const link = element("a", "", { href: URL.createObjectURL(new Blob([text], { type: "text/csv" })), download: `${name}.csv` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };
  return { read, table, about, element, svg, $, FILTERS, wanted, passes, cells, facts, known, shown, download };
})();
