// Runs in the page itself and leaves its verdict as text; the test reads it from the dumped document. `window.failed`
// has the errors that nothing caught since the page began.
(() => {
  const wrong = [];
  const graphs = [...document.querySelectorAll(".graph svg")];
  const boxes = [...document.querySelectorAll(".graph .fix")].map((g) => ({ id: g.id, r: g.querySelector("rect").getBoundingClientRect(), t: g.querySelector("text").getBoundingClientRect() }));
  boxes.sort((a, b) => a.r.top - b.r.top);
  boxes.forEach((a, i) => {
    if (a.t.left < a.r.left || a.t.right > a.r.right || a.t.top < a.r.top || a.t.bottom > a.r.bottom) wrong.push(`label out of ${a.id}`);
    for (const b of boxes.slice(i + 1)) {
      if (b.r.top >= a.r.bottom) break;
      if (a.r.left < b.r.right && b.r.left < a.r.right) wrong.push(`${a.id} on ${b.id}`);
    }
  });

  const all = [...document.querySelectorAll(".graph .fix, .graph .wire")];
  const panel = document.getElementById("reason");
  let reached = 0;
  for (const element of all) {
    element.focus();
    // A headless window may not have the focus, so the key that a person would press is what counts.
    element.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter" }));
    const name = element.getAttribute("aria-label").split(": ")[0];
    if (document.activeElement === element && panel.textContent.includes(name)) reached += 1; else wrong.push(`not reached: ${element.id}`);
  }

  // The legend explains; it takes nothing away.
  const told = panel.textContent;
  document.querySelectorAll(".legend li, .legend svg, .legend g, .legend path, .legend rect").forEach((e) => {
    e.dispatchEvent(new MouseEvent("click", { bubbles: true }));
    if (panel.textContent !== told) wrong.push(`the legend empties the panel: ${e.outerHTML}`);
  });

  // Words are typed as a person types them.
  const find = document.getElementById("find");
  const type = (word) => {
    find.focus();
    find.select();
    document.execCommand(word === "" ? "delete" : "insertText", false, word);
    if (find.value !== word) wrong.push(`not typed: ${word}`);
  };
  const lit = () => [...document.querySelectorAll(".graph .fix:not(.dim)")].map((f) => f.id);
  const rows = () => [...document.querySelectorAll("tbody tr:not([hidden])")];
  const nodes = [...document.querySelectorAll(".graph .fix")];
  const idOf = (f) => f.getAttribute("aria-label").split(": ")[0];
  for (const f of nodes.filter((_, i) => i % 40 === 0)) {
    type(idOf(f).toUpperCase());
    if (!lit().includes(f.id)) wrong.push(`not found by id: ${f.id}`);
    if (!rows().some((r) => r.querySelector(".id").textContent === idOf(f))) wrong.push(`row hidden: ${f.id}`);
    const others = nodes.filter((o) => lit().includes(o.id) && !idOf(o).includes(idOf(f)));
    if (others.length === nodes.length - 1 && others.length > 0) wrong.push(`${idOf(f)} finds everything`);
  }
  [...document.querySelectorAll(".files dt")].slice(0, 5).forEach((dt) => {
    type(dt.textContent);
    const wanted = [...dt.nextElementSibling.querySelectorAll(".chip")].map((c) => c.hash.slice(1));
    if (!wanted.every((id) => lit().includes(id))) wrong.push(`not found by file: ${dt.textContent}`);
    if (dt.hidden || dt.getClientRects().length === 0) wrong.push(`file hidden: ${dt.textContent}`);
  });
  type("no such word anywhere");
  if (lit().length + rows().length !== 0) wrong.push("nonsense is found");
  type("");
  if (lit().length !== nodes.length || document.querySelector(".dim") !== null) wrong.push("what was found stays");

  // The box stays in sight however far down one reads.
  scrollTo(0, document.body.scrollHeight);
  const top = document.querySelector(".bar").getBoundingClientRect().top;
  if (scrollY > 60 && top !== 0) wrong.push(`the bar is at ${top}`);
  scrollTo(0, 0);

  // What has little to draw leaves little blank.
  const graph = document.querySelector(".graph");
  const drawn = graphs.reduce((sum, s) => sum + s.getBoundingClientRect().height, 0);
  if (graph.clientHeight > Math.max(280, drawn + 60 * graphs.length)) wrong.push(`blank: ${graph.clientHeight} for ${drawn}`);

  // Every colour that says something can be told from what is behind it.
  const light = (color) => {
    const [r, g, b] = color.match(/[\d.]+/g).map((v) => { const c = v / 255; return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p); return (x + 0.05) / (y + 0.05); };
  const paper = getComputedStyle(document.body).backgroundColor;
  const least = (what, a, b, wanted) => { if (contrast(a, b) < wanted) wrong.push(`${what}: ${a} on ${b} is ${contrast(a, b).toFixed(1)}`); };
  least("text", getComputedStyle(document.body).color, paper, 7);
  const sheet = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  document.body.append(sheet);
  for (const kind of ["hunk", "context", "file", "content", "declared", "pair", "hint", "conflict"]) {
    sheet.innerHTML = `<g class="wire ${kind}"><path d="M0 0L1 1"/></g>`;
    least(kind, getComputedStyle(sheet.querySelector("path")).stroke, paper, 4.5);
  }
  for (const severity of ["critical", "high", "medium", "low", "none", "unknown", "unknown stuck"]) {
    sheet.innerHTML = `<g class="fix ${severity}"><rect/><text><tspan class="n">1</tspan> x</text></g>`;
    const [rect, text, number] = ["rect", "text", ".n"].map((s) => getComputedStyle(sheet.querySelector(s)));
    least(severity, rect.stroke, paper, 3);
    least(`text of ${severity}`, text.fill, rect.fill, 7);
    least(`number of ${severity}`, number.fill, rect.fill, 4.5);
  }
  sheet.remove();

  const body = document.body.innerText;
  const ids = [...document.querySelectorAll("tbody td.id")].map((d) => d.textContent);
  ids.filter((id) => !body.includes(id)).forEach((id) => wrong.push(`not found as text: ${id}`));
  const loaded = performance.getEntriesByType("resource").length;
  window.failed.forEach((e) => wrong.push(`error: ${e}`));
  const verdict = document.createElement("pre");
  verdict.id = "verdict";
  verdict.textContent = JSON.stringify({ fixes: boxes.length, ids: ids.length, focusable: all.length, reached, loaded, paper, wrong });
  document.body.append(verdict);
})();
