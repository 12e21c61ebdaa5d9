// Figures: drawn when they come into view, and in idle time, so that print has all of them.
(() => {
  const { about, element, $, read } = page;
  const figures = new Map(Object.entries(read("figures")));
  const seen = new Set(), stale = new Set(figures.keys());
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  // The best of each kind, kinds in turn, where a figure cannot hold all.
  const taken = (rows, figure) => {
    const down = !page.facts().lower;
    const best = rows.slice().sort((a, b) => (down ? b.value - a.value : a.value - b.value));
    if (!figure.most) return best;
    const left = new Map(figure.turns.map((turn) => [turn, best.filter((r) => r.group === turn)])), chosen = [];
    while (chosen.length < figure.most && figure.turns.some((turn) => left.get(turn).length))
      for (const turn of figure.turns) chosen.push(...left.get(turn).splice(0, 1));
    return chosen.slice(0, figure.most);
  };
  const data = page.data = (name) => {
    const figure = figures.get(name), found = taken(page.cells(), figure);
    if (figure.data === "cells") return found;
    const order = new Set(found.map((r) => r.variant));
    // Rows without a variant are lines that the others are read by.
    return page.table(figure.data, page.wanted().benchmark).filter((r) => (found.length && r.variant === "") || order.has(r.variant));
  };
  // Points are reached by Tab, and left and right: each says what its tooltip says.
  const keys = (box) => {
    const points = [...box.querySelectorAll('svg .mark-symbol.role-mark path[aria-label]')];
    points.forEach((point, i) => {
      point.setAttribute("tabindex", i ? "-1" : "0");
      point.setAttribute("role", "img");
      const tell = (type) => {
        const at = point.getBoundingClientRect();
        const where = { bubbles: true, clientX: at.x + at.width / 2, clientY: at.y + at.height / 2 };
        for (const event of type === "in" ? ["pointerover", "pointermove", "mousemove"] : ["pointerout", "mouseout"])
          point.dispatchEvent(new (event.startsWith("p") ? PointerEvent : MouseEvent)(event, where));
      };
      point.addEventListener("focus", () => tell("in"));
      point.addEventListener("blur", () => tell("out"));
      point.addEventListener("keydown", (event) => {
        const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
        const next = step && points[i + step];
        if (!next) return;
        event.preventDefault();
        point.setAttribute("tabindex", "-1");
        next.setAttribute("tabindex", "0");
        next.focus();
      });
    });
  };
  const draw = async (name) => {
    stale.delete(name);
    const figure = figures.get(name), box = $(`draw-${name}`), found = data(name);
    box.dataset.rows = found.length;
    const variants = new Set(found.map((r) => r.variant)).size, all = new Set(page.cells().map((r) => r.variant)).size;
    $(`note-${name}`).textContent = figure.most && variants && all > variants ? `${variants} of ${all} variants, the best of each kind.` : "";
    box.style.minHeight = found.length ? "" : "0";
    if (!found.length) { box.replaceChildren(element("p", "The board has nothing to draw here for this benchmark and these filters.")); return; }
    const axes = page.facts().axes;
    const spec = JSON.parse(JSON.stringify(figure.spec), (key, value) => (key === "title" && axes[value]) || value);
    spec.datasets = { rows: found };
    spec.config = { ...spec.config, background: "transparent" };
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
    await window.vegaEmbed(box, spec, { ast: true, renderer: "svg", tooltip: { theme: dark.matches ? "dark" : "light" },
      actions: { export: true, source: false, compiled: false, editor: false } });
    box.querySelector(".vega-embed > details > summary, details > summary")?.setAttribute("aria-label", `save figure: ${box.getAttribute("aria-label")}`);
    keys(box);
    box.style.minHeight = "0";
    box.dataset.drawn = "yes";
  };
  const attempt = (name) => draw(name).catch((e) => { $(`draw-${name}`).textContent = `not drawn: ${e.message}`; });
  const redraw = () => { for (const name of seen) if (stale.has(name)) attempt(name); };
  const waiting = () => [...stale].filter((name) => !$(`draw-${name}`).closest("figure").hidden);
  const idle = window.requestIdleCallback || ((call) => setTimeout(call, 200));
  let later = false;
  const rest = () => {
    if (later) return;
    later = true;
    idle(async () => {
      later = false;
      const [name] = waiting();
      if (name) { await attempt(name); rest(); }
    });
  };
  const watch = new IntersectionObserver((entries) => {
    for (const e of entries) e.isIntersecting ? seen.add(e.target.dataset.figure) : seen.delete(e.target.dataset.figure);
    redraw();
  }, { rootMargin: "150px" });
  // What the board cannot draw for a benchmark, whatever the filters, takes no room.
  const offer = () => {
    const without = [...figures.keys()].filter((name) => !$(`data-${figures.get(name).data}-${page.wanted().benchmark}`));
    document.querySelectorAll("figure[data-figure]").forEach((node) => { node.hidden = without.includes(node.dataset.figure); });
    const titles = without.map((name) => $(`draw-${name}`).getAttribute("aria-label").toLowerCase());
    $("undrawn").textContent = titles.length ? `Not on the board for ${page.facts().name}: ${titles.join(", ")}.` : "";
  };
  page.figures = () => { offer(); figures.forEach((_, name) => stale.add(name)); redraw(); rest(); };
  window.addEventListener("beforeprint", () => waiting().forEach(attempt));
  dark.addEventListener("change", page.figures);
  document.querySelectorAll("[data-figure]").forEach((node) => watch.observe(node));
})();
