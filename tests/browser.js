// Runs in the page itself and leaves its verdict as text; the test reads it from the dumped document.
(() => {
  const boxes = [...document.querySelectorAll(".graph .fix")].map((g) => ({ id: g.id, r: g.querySelector("rect").getBoundingClientRect(), t: g.querySelector("text").getBoundingClientRect() }));
  const wrong = [];
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
    const name = element.id.includes("f") ? element.querySelector("text").textContent.split(" ").slice(1).join(" ") : element.getAttribute("aria-label").split(": ")[0];
    if (document.activeElement === element && panel.textContent.includes(name)) reached += 1; else wrong.push(`not reached: ${element.id}`);
  }
  const body = document.body.innerText;
  const ids = [...document.querySelectorAll("tbody td.id")].map((d) => d.textContent);
  ids.filter((id) => !body.includes(id)).forEach((id) => wrong.push(`not found as text: ${id}`));
  const loaded = performance.getEntriesByType("resource").length;
  const verdict = document.createElement("pre");
  verdict.id = "verdict";
  verdict.textContent = JSON.stringify({ fixes: boxes.length, ids: ids.length, focusable: all.length, reached, loaded, wrong });
  document.body.append(verdict);
})();
