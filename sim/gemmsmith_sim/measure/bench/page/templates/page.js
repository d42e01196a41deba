"use strict";
{
  // Tables: a button in every head sorts; missing figures stay at the end.
  const key = (row, column) => {
    const cell = row.cells[column];
    return column === 0 ? cell.textContent : cell.dataset.value;
  };
  const compare = (a, b, numeric) => numeric ? Number(a) - Number(b) : a.localeCompare(b, "en", {numeric: true});
  const sort = (head) => {
    const table = head.closest("table"), column = head.cellIndex, numeric = head.classList.contains("number");
    const sign = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
    for (const other of table.tHead.querySelectorAll("[aria-sort]")) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
    const rows = [...table.tBodies[0].rows];
    rows.sort((a, b) => {
      const [x, y] = [key(a, column), key(b, column)];
      if (x === undefined || y === undefined) return (x === undefined) - (y === undefined);
      return sign * compare(x, y, numeric);
    });
    table.tBodies[0].append(...rows);
  };
  for (const label of document.querySelectorAll("span.sort")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    button.textContent = label.textContent;
    button.addEventListener("click", () => sort(button.closest("th")));
    label.replaceWith(button);
  }

  // Columns of detail are shown until there is a button to show them.
  for (const button of document.querySelectorAll("button.more")) {
    const table = button.parentElement.querySelector("table");
    table.classList.add("brief");
    button.hidden = false;
    button.addEventListener("click", () => {
      button.setAttribute("aria-pressed", String(!table.classList.toggle("brief")));
    });
  }

  // Charts: labels are placed by Vega where they cover neither points nor each other.
  const label = (spec) => {
    const points = (spec.marks ?? []).find((mark) => mark.name === "points_marks");
    if (points) {
      spec.marks.push({
        type: "text", from: {data: "points_marks"}, interactive: false,
        encode: {enter: {text: {field: "datum.unit"}, fill: {value: "currentColor"}, fontSize: {value: 11}}},
        transform: [{type: "label", size: {signal: "[width, height]"}, offset: [3], avoidMarks: ["front_marks"],
                     anchor: ["right", "top-right", "bottom-right", "left", "top-left", "bottom-left", "top", "bottom"]}],
      });
    }
    return spec;
  };
  const draw = (place) => {
    const spec = JSON.parse(place.querySelector("script").textContent);
    const options = {mode: "vega-lite", renderer: "svg", actions: false, ast: true, patch: label};
    vegaEmbed(place, spec, options).catch((error) => {
      place.textContent = `This chart could not be drawn (${error.message}); its figures are in the table.`;
    });
  };
  // A chart is drawn when it comes near the window: a page may have dozens.
  const waiting = new Set(document.querySelectorAll(".chart"));
  const watcher = new IntersectionObserver((entries) => {
    for (const {target, isIntersecting} of entries) {
      if (isIntersecting && waiting.delete(target)) {
        watcher.unobserve(target);
        draw(target);
      }
    }
  }, {rootMargin: "600px"});
  for (const place of waiting) watcher.observe(place);
  window.addEventListener("beforeprint", () => {
    for (const place of waiting) draw(place);
    waiting.clear();
  });
}
