// The table: groups by test, within a group the smaller first, so that noise is not ranked.
(() => {
  const { about, element, svg, $, known, shown } = page;
  const HELD = [
    ["better", "better than the best uncompressed model"],
    ["equal", "equal to the best within the margin, the smallest first"],
    ["undecided", "not told from the best, nor shown to be equal"],
    ["worse", "below the best"],
    ["", "not tested against each other: their order says nothing"],
    ["control", "controls"],
  ];
  const WORDS = { equivalent: "= equal", worse: "\u25bc worse", better: "\u25b2 better", undecided: "? undecided" };
  const state = page.state = { key: "", down: true };
  const group = (row) =>
    row.kind === "control" ? "control" : row.standing === "best" || row.standing === "equivalent" ? "equal" : row.standing || "";
  const COLUMNS = ["mebibytes", "value", "", "change", "unique", "nuisance", "normalised", "parameters", "bits", "coverage", "perplexity", "verified"];

  const bar = (row, scale) => {
    const box = svg("svg", { class: `bar ${row.kind}`, viewBox: "0 0 190 16", role: "img" });
    const text = [`value ${shown("value", row.value)}`];
    if (known(row.low)) text.push(`95 % interval ${shown("value", row.low)} to ${shown("value", row.high)}`);
    if (known(row.ceiling)) text.push(`ceiling ${shown("value", row.ceiling)}`);
    box.append(svg("title", {}, text.join(", ")), svg("line", { class: "zero", x1: scale(0), x2: scale(0), y1: 0, y2: 16 }));
    if (known(row.low)) box.append(svg("line", { class: "interval", x1: scale(row.low), x2: scale(row.high), y1: 8, y2: 8 }));
    if (known(row.ceiling) && row.ceiling <= scale.most) box.append(svg("line", { class: "ceiling", x1: scale(row.ceiling), x2: scale(row.ceiling), y1: 1, y2: 15 }));
    box.append(row.kind === "control"
      ? svg("path", { class: "mark-x", d: `M${scale(row.value) - 4} 4l8 8m0 -8l-8 8` })
      : svg("circle", { class: "dot", cx: scale(row.value), cy: 8, r: 4 }));
    return box;
  };
  const compare = (a, b) => {
    const [x, y] = [a[state.key], b[state.key]];
    if (!known(x) || x === "") return known(y) && y !== "" ? 1 : 0;
    if (!known(y) || y === "") return -1;
    const order = typeof x === "string" ? x.localeCompare(y, undefined, { numeric: true }) : x - y;
    return state.down ? -order : order;
  };
  // Variants as small stand by name: value would rank them again.
  const smaller = (a, b) => (known(a.mebibytes) ? a.mebibytes : Infinity) - (known(b.mebibytes) ? b.mebibytes : Infinity) || (a.variant < b.variant ? -1 : 1);
  const groups = (found) => {
    if (state.key) return [["", "", found.sort(compare)]];
    return HELD.map(([name, text]) => [name, text, found.filter((r) => group(r) === name).sort(smaller)]).filter((g) => g[2].length);
  };
  const verified = (found) => {
    const entries = new Map();
    for (const row of found) {
      const said = entries.get(row.model) || { of: 0, n: 0 };
      said.of += 1;
      said.n += row.verified === "verified";
      entries.set(row.model, said);
    }
    return entries;
  };
  const cell = (row, name, scale, entries) => {
    if (name === "") {
      const drawn = element("td");
      drawn.append(bar(row, scale));
      return drawn;
    }
    if (name === "verified") {
      const said = entries.get(row.model);
      const node = element("td", row.verified || "", { class: (row.verified || "").replace(/\W/g, "") });
      if (said) node.append(element("small", ` ${said.n} of ${said.of}`, { title: `${said.n} of ${said.of} cells of this model here were computed again and agree` }));
      return node;
    }
    if (name === "change") {
      const node = element("td", shown("change", row.change));
      if (row.outcome) node.append(element("span", WORDS[row.outcome] || row.outcome, { class: `verdict ${row.outcome}` }));
      if (known(row.change_low)) node.title = `90 % interval ${shown("change", row.change_low)} to ${shown("change", row.change_high)}`;
      return node;
    }
    return element("td", shown(name, row[name]));
  };
  page.rank = () => {
    const facts = page.facts(), every = page.table("cells", page.wanted().benchmark), found = page.cells();
    const entries = verified(every);
    const best = found.reduce((a, r) => Math.max(a, r.value, known(r.high) ? r.high : r.value), 0.01);
    const low = found.reduce((a, r) => Math.min(a, r.value, known(r.low) ? r.low : r.value), 0);
    // A ceiling far above would flatten what is compared: its number is in the title.
    const high = found.reduce((a, r) => (known(r.ceiling) && r.ceiling <= 1.5 * best ? Math.max(a, r.ceiling) : a), best);
    const scale = (v) => 6 + (178 * (v - low)) / (high - low);
    scale.most = high;
    const kept = COLUMNS.filter((name) => !name || name === "value" || found.some((r) => known(r[name]) && r[name] !== ""));
    const bodies = groups(found).map(([name, text, rows]) => {
      const body = element("tbody", undefined, { class: name ? `held-${name}` : "" });
      if (text) {
        const line = element("tr", undefined, { class: "group" });
        const head = element("th", undefined, { scope: "rowgroup", colspan: kept.length + 2 });
        head.append(element("span", `${text} (${rows.length})`));
        line.append(head);
        body.append(line);
      }
      for (const row of rows) {
        const line = element("tr", undefined, { class: `${row.kind} in-${group(row) || "none"}` });
        const named = element("th", undefined, { scope: "row" });
        const open = element("button", row.model + (row.kind === "control" ? " (control)" : ""), { type: "button", class: "open", "aria-haspopup": "dialog", "data-variant": row.variant });
        named.append(open);
        if (row.compressor !== "none") named.append(element("span", row.compressor, { class: "narrow", "aria-hidden": "true" }));
        line.append(named, element("td", row.compressor));
        for (const name of kept) line.append(cell(row, name, scale, entries));
        body.append(line);
      }
      return body;
    });
    $("ranking").querySelectorAll("tbody").forEach((b) => b.remove());
    $("ranking").append(...(bodies.length ? bodies : [element("tbody")]));
    for (const head of $("ranking").tHead.rows[0].cells) {
      const key = head.dataset.key;
      head.hidden = !["model", "compressor"].includes(key) && !kept.includes(key || "");
      if (key) head.setAttribute("aria-sort", key === state.key ? (state.down ? "descending" : "ascending") : "none");
    }
    $("grouped").hidden = !state.key;
    const done = every.filter((r) => r.verified === "verified").length;
    $("count").textContent = `${found.length} of ${every.length} variants on ${facts.name}: ${facts.metric}.` +
      (facts.headline ? ` It is read by its ${facts.headline}.` : "") +
      (about.verified ? ` ${done} of ${every.length} cells were computed again by a maintainer and agree.` : "");
    document.querySelectorAll("[data-simulated]").forEach((node) => { node.hidden = !facts.simulated; });
    document.querySelectorAll("[data-answer]").forEach((node) => { node.hidden = Number(node.dataset.answer) !== page.wanted().benchmark; });
  };
  page.sorted = () => groups(page.cells()).flatMap((g) => g[2]);
  for (const head of $("ranking").tHead.rows[0].cells) {
    const button = head.querySelector("button");
    if (button) button.addEventListener("click", () => {
      const key = head.dataset.key;
      const first = key === "value" ? !page.facts().lower : !["model", "compressor", "parameters", "bits", "mebibytes", "perplexity"].includes(key);
      state.down = state.key === key ? !state.down : first;
      state.key = key;
      page.rank();
      page.remember();
    });
  }
  $("grouped").addEventListener("click", () => { state.key = ""; page.rank(); page.remember(); });

  // ---- all benchmarks at once
  const SIGNS = { equivalent: "=", worse: "\u25bc", better: "\u25b2", undecided: "?" };
  page.matrix = () => {
    if (!$("matrix").open) return;
    const lines = new Map();
    about.benchmarks.forEach((b, i) => {
      for (const row of page.cells(i)) {
        if (!lines.has(row.variant)) lines.set(row.variant, { row, cells: new Map() });
        lines.get(row.variant).cells.set(i, row);
      }
    });
    const place = (r) => ["base", "compressed", "control"].indexOf(r.kind);
    const order = [...lines.values()].sort((a, b) => (a.row.kind === "control") - (b.row.kind === "control") || a.row.model.localeCompare(b.row.model, undefined, { numeric: true }) ||
      place(a.row) - place(b.row) || smaller(a.row, b.row));
    const head = element("tr");
    head.append(element("th", "variant", { scope: "col" }), element("th", "MiB", { scope: "col" }),
      ...about.benchmarks.map((b) => element("th", b.name + (b.simulated ? " (simulated)" : "") + (b.lower ? " (lower is better)" : ""), { scope: "col" })));
    const body = element("tbody");
    for (const { row, cells } of order) {
      const line = element("tr", undefined, { class: row.kind });
      const named = element("th", row.compressor === "none" ? row.model : `${row.model} + ${row.compressor}`, { scope: "row" });
      line.append(named, element("td", shown("mebibytes", row.mebibytes)));
      about.benchmarks.forEach((_, i) => {
        const found = cells.get(i);
        const sign = found ? SIGNS[found.outcome] || "" : "";
        line.append(element("td", found ? `${shown("value", found.value)} ${sign}` : "", found && found.outcome ? { class: found.outcome, title: `${shown("change", found.change)} from the base: ${found.outcome}` } : {}));
      });
      body.append(line);
    }
    const headed = element("thead");
    headed.append(head);
    $("matrix-table").replaceChildren($("matrix-table").caption, headed, body);
  };
  $("matrix").addEventListener("toggle", page.matrix);
})();
