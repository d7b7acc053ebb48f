"use strict";
// Tables with the class "searchable" get a field to search in, headers to sort by, and a button to copy.
for (const table of document.querySelectorAll("table.searchable")) {
  const body = table.tBodies[0];
  const rows = Array.from(body.rows);
  const words = rows.map((row) => row.textContent.toLowerCase());
  const bar = document.createElement("p");
  const field = document.createElement("input");
  const copy = document.createElement("button");
  const count = document.createElement("span");
  field.type = "search";
  field.placeholder = "search";
  field.setAttribute("aria-label", "search in this table");
  copy.type = "button";
  copy.textContent = "copy as tab-separated text";
  count.className = "hint";
  bar.className = "tools";
  bar.append(field, copy, count);
  table.before(bar);
  const show = () => {
    const wanted = field.value.trim().toLowerCase();
    let shown = 0;
    rows.forEach((row, place) => {
      row.hidden = wanted !== "" && !words[place].includes(wanted);
      shown += row.hidden ? 0 : 1;
    });
    count.textContent = `${shown} of ${rows.length} rows`;
  };
  field.addEventListener("input", show);
  const cells = (row) => Array.from(row.cells, (cell) => cell.textContent.trim());
  copy.addEventListener("click", async () => {
    const chosen = Array.from(body.rows).filter((row) => !row.hidden);
    const text = [table.tHead.rows[0], ...chosen].map((row) => cells(row).join("\t")).join("\n");
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // Pages opened as files have no clipboard of their own in some browsers.
      const area = document.createElement("textarea");
      area.value = text;
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    count.textContent = `${chosen.length} rows copied`;
  });
  Array.from(table.tHead.rows[0].cells).forEach((header, column) => {
    header.tabIndex = 0;
    header.setAttribute("role", "button");
    const sort = () => {
      const falling = header.getAttribute("aria-sort") === "ascending";
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      header.setAttribute("aria-sort", falling ? "descending" : "ascending");
      const key = (row) => row.cells[column].textContent.trim().replace("\u2212", "-");
      const order = Array.from(body.rows).sort((first, second) => {
        const [one, other] = [key(first), key(second)];
        const [left, right] = [parseFloat(one), parseFloat(other)];
        // Rows without a number stand last in either direction.
        if (Number.isNaN(left) !== Number.isNaN(right)) return Number.isNaN(left) ? 1 : -1;
        const difference = Number.isNaN(left) ? one.localeCompare(other) : left - right;
        return falling ? -difference : difference;
      });
      body.append(...order);
    };
    header.addEventListener("click", sort);
    header.addEventListener("keydown", (event) => {
      if (event.key === "Enter") sort();
    });
  });
  show();
}
