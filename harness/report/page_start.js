// What is chosen stands in the address; an anchor opens what it is in; then everything is drawn.
(() => {
  const { about, element, $, FILTERS } = page;
  const choices = (id, values) => values.forEach((v) => $(id).append(element("option", v, { value: v })));
  about.benchmarks.forEach((b, i) => $("benchmark").append(element("option", b.name + (b.simulated ? " (simulated)" : ""), { value: i })));
  choices("family", about.families);
  choices("compressor", about.compressors);

  const START = { benchmark: "0", family: "", compressor: "", size: "", controls: "yes" };
  const known = (id, value) => [...$(id).options].some((o) => o.value === value);
  page.remember = () => {
    const said = new URLSearchParams();
    for (const id of FILTERS) {
      const value = $(id).value;
      if (value !== START[id]) said.set(id, id === "benchmark" ? about.benchmarks[value].name : value);
    }
    if (page.state.key) said.set("sort", (page.state.down ? "-" : "") + page.state.key);
    const open = $("drawer").dataset.variant;
    if (open) said.set("row", open);
    const text = said.toString();
    history.replaceState(null, "", text ? `#${text}` : location.pathname + location.search);
  };
  const update = () => { page.rank(); page.matrix(); page.figures(); };
  const recall = () => {
    const said = new URLSearchParams(location.hash.slice(1));
    for (const id of FILTERS) {
      let value = said.get(id) ?? START[id];
      if (id === "benchmark" && said.has(id)) value = String(about.benchmarks.findIndex((b) => b.name === said.get(id)));
      $(id).value = known(id, value) ? value : START[id];
    }
    const sort = said.get("sort") || "", heads = [...$("ranking").tHead.rows[0].cells].map((h) => h.dataset.key);
    page.state.down = sort.startsWith("-");
    page.state.key = heads.includes(sort.replace(/^-/, "")) ? sort.replace(/^-/, "") : "";
    update();
    if (said.has("row")) page.open(said.get("row"));
  };
  // An address is a place on the page, or what is chosen.
  const decoded = (text) => { try { return decodeURIComponent(text); } catch { return text; } };
  const arrive = () => {
    const raw = location.hash.slice(1), place = raw && ($(decoded(raw)) || $(raw));
    if (!place) { if (!raw || raw.includes("=")) recall(); return; }
    for (let node = place; node; node = node.parentElement) if (node.tagName === "DETAILS") node.open = true;
    place.scrollIntoView({ block: "start", behavior: "instant" });
    if (!place.matches("a, button, summary")) {
      place.setAttribute("tabindex", "-1");
      place.focus({ preventScroll: true });
    }
  };
  window.addEventListener("hashchange", arrive);
  document.addEventListener("click", (event) => {
    // A second click on the same anchor changes no address.
    const link = event.target.closest?.('a[href^="#"]');
    if (link && link.getAttribute("href") === location.hash) arrive();
  });
  for (const id of FILTERS) $(id).addEventListener("change", () => { update(); page.remember(); });
  const file = (name) => `${page.facts().name}-${name}`;
  for (const node of document.querySelectorAll("[data-download]"))
    node.addEventListener("click", () => page.download(file(node.dataset.download), node.dataset.download === "table" ? page.sorted() : page.data(node.dataset.download)));
  if (location.hash.includes("=")) recall(); else { update(); arrive(); }
  window.brainpress = { data: page.data, cells: page.cells };
})();
