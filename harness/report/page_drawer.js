// A row opens: what to type to have it again, who handed it in, what was recomputed.
(() => {
  const { about, element, $, shown, known } = page;
  const FACTS = [
    ["command", "again, with its base"], ["options", "options"], ["seed", "seeds"], ["place", "computed on"],
    ["versions", "versions"], ["stages", "versions of stages"], ["source", "weights from"], ["key", "key"],
    ["submitter", "handed in by"], ["day", "accepted on"], ["entry", "entry"], ["recomputed", "recomputed"], ["notes", "notes"],
  ];
  const drawer = $("drawer");
  const interval = (name, low, high) => (known(low) ? ` [${shown(name, low)}, ${shown(name, high)}]` : "");
  const numbers = (row) => [
    ["value", `${shown("value", row.value)}${interval("value", row.low, row.high)} (95 % interval)`],
    ["against the best", row.standing],
    ["change from base", known(row.change) ? `${shown("change", row.change)}${interval("change", row.change_low, row.change_high)} (90 % interval): ${row.outcome || "not tested"}` : ""],
    ["unique R\u00b2", known(row.unique) ? shown("unique", row.unique) + interval("unique", row.unique_low, row.unique_high) : ""],
    ["nuisance alone", shown("nuisance", row.nuisance)],
    ["ceiling", shown("value", row.ceiling)],
    ["size on disk", known(row.mebibytes) ? `${shown("mebibytes", row.mebibytes)} MiB${known(row.bits) ? `, ${shown("bits", row.bits)} bits a weight` : ""}` : ""],
    ["verified", row.verified],
  ];
  page.open = (variant) => {
    const benchmark = page.wanted().benchmark, facts = about.benchmarks[benchmark];
    const row = page.table("cells", benchmark).find((r) => r.variant === variant);
    if (!row) return;
    const from = page.table("origins", benchmark).find((r) => r.variant === variant) || {};
    const list = element("dl");
    for (const [what, text] of [...numbers(row), ...FACTS.map(([key, what]) => [what, from[key]])]) {
      if (!text) continue;
      const said = element("dd");
      said.append(what === FACTS[0][1] ? element("code", text) : document.createTextNode(text));
      list.append(element("dt", what), said);
    }
    const copy = element("button", "copy the command", { type: "button", class: "download" });
    copy.addEventListener("click", async () => {
      try { await navigator.clipboard.writeText(from.command); copy.textContent = "copied"; } catch { copy.textContent = "select it above"; }
    });
    const model = element("a", `about ${row.model}`, { href: `#model-${encodeURIComponent(row.model)}` });
    model.addEventListener("click", () => drawer.close());
    const links = element("p");
    links.append(...(from.command ? [copy, " "] : []), model);
    $("drawer-title").textContent = `${row.compressor === "none" ? row.model : `${row.model} + ${row.compressor}`} on ${facts.name}${facts.simulated ? " (SIMULATED DATA)" : ""}`;
    $("drawer-body").replaceChildren(list, links);
    drawer.dataset.variant = variant;
    if (!drawer.open) drawer.showModal();
    page.remember();
  };
  document.addEventListener("click", (event) => {
    const line = event.target.closest?.("#ranking tbody tr");
    const button = line && line.querySelector(".open");
    if (button && !String(window.getSelection())) page.open(button.dataset.variant);
    if (event.target === drawer) drawer.close();
  });
  $("drawer-close").addEventListener("click", () => drawer.close());
  drawer.addEventListener("close", () => { delete drawer.dataset.variant; page.remember(); });
})();
