"use strict";
(() => {
  const panel = document.getElementById("reason");
  // The legend has samples of both, which say nothing and are not found.
  const fixes = [...document.querySelectorAll(".graph .fix")];
  const wires = [...document.querySelectorAll(".graph .wire")];
  const all = [...wires, ...fixes];
  const rowOf = (fix) => document.getElementById(fix.id.replace("f", "r"));
  const tell = (element) => {
    all.forEach((e) => e.classList.toggle("on", e === element));
    panel.replaceChildren();
    const add = (tag, text) => panel.appendChild(Object.assign(document.createElement(tag), { textContent: text }));
    const row = element.matches(".fix") ? rowOf(element) : null;
    if (row === null) {
      const [head, ...rest] = element.getAttribute("aria-label").split(": ");
      add("h2", head);
      add("p", rest.join(": "));
      return;
    }
    add("h2", row.querySelector(".id").textContent);
    row.querySelectorAll("[data-part]").forEach((part) => {
      if (part.textContent.trim() === "") return;
      add("h3", part.dataset.part);
      panel.appendChild(part.firstElementChild ? part.firstElementChild.cloneNode(true) : document.createTextNode(part.textContent));
    });
  };
  all.forEach((element) => {
    element.addEventListener("click", () => tell(element));
    element.addEventListener("focus", () => tell(element));
    element.addEventListener("keydown", (e) => {
      if (e.key === "Enter" || e.key === " ") { e.preventDefault(); tell(element); }
    });
  });
  const go = (target) => {
    target.scrollIntoView({ block: "center", inline: "center" });
    target.focus({ preventScroll: true });
  };
  const show = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target && target.matches(".fix,.wire")) go(target);
  };
  addEventListener("hashchange", show);
  document.addEventListener("click", (e) => {
    const chip = e.target.closest("a.chip");
    if (chip && chip.hash === location.hash) show();
  });

  // A fix is found by its id, title, CVEs, severity and files; a line by its reason or a fix at its end.
  const words = new Map(fixes.map((f) => [f.id, f.getAttribute("aria-label")]));
  const say = (id, text) => words.set(id, `${words.get(id)}\n${text}`);
  fixes.forEach((f) => rowOf(f)?.querySelectorAll("[data-find]").forEach((part) => say(f.id, part.textContent)));
  const files = [...document.querySelectorAll(".files dt")].map((dt) => ({ dt, chips: [...dt.nextElementSibling.querySelectorAll(".chip")] }));
  files.forEach(({ dt, chips }) => chips.forEach((c) => say(c.hash.slice(1), dt.textContent)));
  words.forEach((text, id) => words.set(id, text.toLowerCase()));
  const find = document.getElementById("find");
  const found = document.getElementById("found");
  find.addEventListener("input", () => {
    const word = find.value.trim().toLowerCase();
    const has = (text) => text.toLowerCase().includes(word);
    const hit = new Set(fixes.filter((f) => words.get(f.id).includes(word)).map((f) => f.id));
    fixes.forEach((f) => f.classList.toggle("dim", !hit.has(f.id)));
    wires.forEach((w) => w.classList.toggle("dim", !has(w.getAttribute("aria-label")) && !w.dataset.ends.split(" ").some((f) => hit.has(f))));
    document.querySelectorAll("tbody tr").forEach((r) => { r.hidden = !hit.has(r.id.replace("r", "f")) && !has(r.textContent); });
    files.forEach(({ dt, chips }) => {
      dt.hidden = !has(dt.textContent) && !chips.some((c) => hit.has(c.hash.slice(1)));
      dt.nextElementSibling.hidden = dt.hidden;
    });
    found.textContent = word === "" ? "" : `${hit.size} of ${fixes.length} fixes`;
  });
  find.addEventListener("keydown", (e) => {
    const first = e.key === "Enter" && find.value.trim() !== "" && fixes.find((f) => !f.classList.contains("dim"));
    if (first) { e.preventDefault(); go(first); }
  });

  let zoom = 1;
  const scale = (factor) => {
    zoom = Math.min(3, Math.max(0.2, zoom * factor));
    document.querySelectorAll(".graph svg").forEach((s) => {
      s.style.width = `${s.viewBox.baseVal.width * zoom}px`;
      s.style.height = `${s.viewBox.baseVal.height * zoom}px`;
    });
  };
  document.getElementById("in").addEventListener("click", () => scale(1.25));
  document.getElementById("out").addEventListener("click", () => scale(0.8));
  show();
})();
