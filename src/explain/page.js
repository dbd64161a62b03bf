"use strict";
(() => {
  const panel = document.getElementById("reason");
  const all = [...document.querySelectorAll(".fix,.wire")];
  const tell = (element) => {
    all.forEach((e) => e.classList.toggle("on", e === element));
    const [track, number] = element.id.slice(1).split(/[fw]/);
    const wanted = element.id.includes("f") ? `t${track}r${number}` : null;
    panel.replaceChildren();
    const add = (tag, text) => panel.appendChild(Object.assign(document.createElement(tag), { textContent: text }));
    if (wanted === null) {
      const [head, ...rest] = element.getAttribute("aria-label").split(": ");
      add("h2", head);
      add("p", rest.join(": "));
      return;
    }
    const row = document.getElementById(wanted);
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
  const show = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target && target.matches(".fix,.wire")) {
      target.scrollIntoView({ block: "center", inline: "center" });
      target.focus({ preventScroll: true });
    }
  };
  addEventListener("hashchange", show);
  document.addEventListener("click", (e) => {
    const chip = e.target.closest("a.chip");
    if (chip && chip.hash === location.hash) show();
  });
  document.getElementById("find").addEventListener("input", (e) => {
    const word = e.target.value.trim().toLowerCase();
    all.forEach((f) => f.classList.toggle("dim", word !== "" && !f.getAttribute("aria-label").toLowerCase().includes(word)));
    document.querySelectorAll("tbody tr").forEach((r) => { r.hidden = word !== "" && !r.textContent.toLowerCase().includes(word); });
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
