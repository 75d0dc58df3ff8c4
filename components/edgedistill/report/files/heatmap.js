"use strict";
// A confusion matrix of many classes: a map to zoom into, and a class's row and column in words.
// data.names: the classes; data.cells: [true, predicted, photos], only those with photos.
charts.heatmap = (place, data) => {
  const { names, cells } = data;
  const n = names.length;
  const rows = names.map(() => []);
  const columns = names.map(() => []);
  for (const [row, column, count] of cells) {
    rows[row].push([column, count]);
    columns[column].push([row, count]);
  }
  const totals = rows.map((row) => row.reduce((sum, [, count]) => sum + count, 0));
  const countAt = (row, column) => (rows[row].find(([c]) => c === column) ?? [0, 0])[1];
  const right = names.map((_, at) => countAt(at, at));

  // Drawn from `first` on, `span` cells a side; `cursor` is the cell that is read out.
  const view = { row: 0, column: 0, span: n };
  const cursor = { row: 0, column: 0 };
  const longest = Math.max(...names.map((name) => name.length));
  let side = 0;
  const order = names.map((_, at) => at); // position: class
  let position = [...order]; // class: position

  const make = (tag, properties = {}, ...children) => {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  };
  const list = make("datalist", { id: `classes-${Math.random().toString(36).slice(2)}` },
    ...names.map((name) => make("option", { value: name })));
  const search = make("input", { type: "search", autocomplete: "off" });
  search.setAttribute("list", list.id);
  const sorting = make("select", {},
    make("option", { value: "name", textContent: "as the labels" }),
    make("option", { value: "weak", textContent: "weakest first" }));
  const button = (text, act) => {
    const made = make("button", { type: "button", textContent: text });
    made.addEventListener("click", act);
    return made;
  };
  const controls = make("div", { className: "controls" },
    make("label", {}, "Class", search), list, make("label", {}, "Order", sorting),
    button("Zoom in", () => zoom(0.5)), button("Zoom out", () => zoom(2)),
    button("Whole", () => zoom(n)));
  const canvas = make("canvas", { tabIndex: 0 });
  canvas.setAttribute("role", "application");
  canvas.setAttribute("aria-label", "Map of the confusion matrix; arrow keys move the cell");
  const readout = make("p", { className: "readout" });
  readout.setAttribute("aria-live", "polite");
  const details = make("div");
  const map = make("div", { className: "map" }, canvas);
  place.replaceChildren(controls, readout, make("div", { className: "heatmap" }, map, details));

  const percent = (part, whole) => (whole ? `${(100 * part / whole).toFixed(1)}%` : "no photos");
  const photos = (count) => (count === 1 ? "1 photo" : `${count} photos`);

  function say() {
    const [row, column] = [order[cursor.row], order[cursor.column]];
    const count = countAt(row, column);
    const what = row === column ? "named right" : `taken for '${names[column]}'`;
    readout.textContent = `'${names[row]}': ${count} of ${photos(totals[row])} ${what} ` +
      `(${percent(count, totals[row])})`;
    describe(row);
  }

  function describe(at) {
    const part = (title, pairs) => {
      const wrong = pairs.filter(([other]) => other !== at).sort((a, b) => b[1] - a[1]);
      const items = wrong.map(([other, count]) =>
        make("li", { textContent: `${names[other]}: ${photos(count)}` }));
      return [make("h3", { textContent: title }), wrong.length
        ? make("ul", {}, ...items.slice(0, 12)) : make("p", { textContent: "nothing" }),
        ...(items.length > 12 ? [make("p", { textContent: `and ${items.length - 12} more` })] : [])];
    };
    details.replaceChildren(
      make("h3", { textContent: names[at] }),
      make("p", { textContent: `${right[at]} of ${photos(totals[at])} named right.` }),
      ...part("Taken for", rows[at]), ...part("What is taken for it", columns[at]));
  }

  function clamp() {
    view.span = Math.max(Math.min(5, n), Math.min(n, Math.round(view.span)));
    for (const key of ["row", "column"]) {
      view[key] = Math.max(0, Math.min(n - view.span, Math.round(view[key])));
    }
  }

  function zoom(factor) {
    view.span *= factor;
    centre();
  }

  /** Brings the cursor's cell into the middle. */
  function centre() {
    clamp();
    view.row = cursor.row - view.span / 2 + 0.5;
    view.column = cursor.column - view.span / 2 + 0.5;
    draw();
  }

  /** Where the cells begin and how large one is, in px. */
  function geometry() {
    const margin = Math.min(7 * longest + 12, Math.round(side * 0.26), 150);
    const cell = (side - margin) / view.span;
    // Cells too small for a name need room for the words "true" and "predicted" alone.
    return cell < 9 ? { margin: 22, cell: (side - 22) / view.span } : { margin, cell };
  }

  function draw() {
    if (!side) return;
    clamp();
    const scale = window.devicePixelRatio || 1;
    Object.assign(canvas, { width: side * scale, height: side * scale });
    Object.assign(canvas.style, { width: `${side}px`, height: `${side}px` });
    const style = getComputedStyle(canvas);
    const colour = (name) => style.getPropertyValue(name);
    const pen = canvas.getContext("2d");
    pen.scale(scale, scale);
    const { margin, cell } = geometry();
    pen.fillStyle = colour("--stripe");
    pen.fillRect(margin, margin, side - margin, side - margin);
    for (const [row, column, count] of cells) {
      const [y, x] = [position[row] - view.row, position[column] - view.column];
      if (x < 0 || y < 0 || x >= view.span || y >= view.span) continue;
      pen.globalAlpha = row === column
        ? 0.15 + 0.75 * count / totals[row] : 0.35 + 0.65 * count / totals[row];
      pen.fillStyle = colour(row === column ? "--c1" : "--c2");
      // A cell smaller than 2 px would be lost between right ones.
      const least = Math.max(cell - (cell > 6 ? 1 : 0), 2);
      pen.fillRect(margin + x * cell, margin + y * cell, least, least);
    }
    pen.globalAlpha = 1;
    write(pen, style, margin, cell);
    pen.strokeStyle = colour("--ink");
    pen.lineWidth = 2;
    const [x, y] = [cursor.column - view.column, cursor.row - view.row];
    if (x >= 0 && y >= 0 && x < view.span && y < view.span) {
      const box = Math.max(cell, 6);
      pen.strokeRect(margin + x * cell, margin + y * cell, box, box);
    }
  }

  /** Names at the edges and counts in the cells, where they have room. */
  function write(pen, style, margin, cell) {
    const size = Math.min(13, cell - 1);
    pen.fillStyle = style.getPropertyValue("--ink");
    pen.textBaseline = "middle";
    if (size < 8) {
      pen.font = `12px ${style.fontFamily}`;
      pen.textAlign = "left";
      pen.fillText("predicted →", margin, margin - 10);
      pen.save();
      pen.translate(margin - 10, margin);
      pen.rotate(-Math.PI / 2);
      pen.textAlign = "right";
      pen.fillText("← true", 0, 0);
      pen.restore();
      return;
    }
    pen.font = `${size}px ${style.fontFamily}`;
    for (let at = 0; at < view.span; at++) {
      const middle = margin + (at + 0.5) * cell;
      pen.textAlign = "right";
      pen.fillText(cut(pen, names[order[view.row + at]], margin - 8), margin - 5, middle);
      pen.save();
      pen.translate(middle, margin - 5);
      pen.rotate(-Math.PI / 2);
      pen.textAlign = "left";
      pen.fillText(cut(pen, names[order[view.column + at]], margin - 8), 0, 0);
      pen.restore();
    }
    if (cell < 18) return;
    pen.textAlign = "center";
    for (const [row, column, count] of cells) {
      const [y, x] = [position[row] - view.row, position[column] - view.column];
      if (x < 0 || y < 0 || x >= view.span || y >= view.span) continue;
      pen.fillText(cut(pen, String(count), cell),
        margin + (x + 0.5) * cell, margin + (y + 0.5) * cell);
    }
  }

  function cut(pen, text, room) {
    let shown = text;
    while (shown.length > 1 && pen.measureText(shown).width > room) {
      shown = `${shown.slice(0, shown.endsWith("…") ? -2 : -1)}…`;
    }
    return shown;
  }

  function moveTo(row, column) {
    cursor.row = Math.max(0, Math.min(n - 1, row));
    cursor.column = Math.max(0, Math.min(n - 1, column));
    for (const key of ["row", "column"]) {
      view[key] = Math.min(cursor[key], Math.max(view[key], cursor[key] - view.span + 1));
    }
    draw();
    say();
  }

  const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  const zooms = { "+": 0.5, "-": 2, 0: n };
  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (moves[event.key]) {
      moveTo(cursor.row + moves[event.key][0], cursor.column + moves[event.key][1]);
    } else if (zooms[event.key]) {
      zoom(zooms[event.key]);
    } else {
      return;
    }
    event.preventDefault();
  });

  let drag = null;
  canvas.addEventListener("pointerdown", (event) => {
    drag = { x: event.offsetX, y: event.offsetY, row: view.row, column: view.column, moved: false };
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!drag) return;
    const [x, y] = [event.offsetX - drag.x, event.offsetY - drag.y];
    drag.moved ||= Math.hypot(x, y) > 4;
    if (!drag.moved) return;
    const { cell } = geometry();
    Object.assign(view, { row: drag.row - y / cell, column: drag.column - x / cell });
    draw();
  });
  canvas.addEventListener("pointerup", (event) => {
    const { margin, cell } = geometry();
    const [x, y] = [event.offsetX - margin, event.offsetY - margin];
    if (drag && !drag.moved && x >= 0 && y >= 0) {
      moveTo(view.row + Math.floor(y / cell), view.column + Math.floor(x / cell));
    }
    drag = null;
  });

  search.addEventListener("input", () => {
    const wanted = search.value.trim().toLowerCase();
    if (!wanted) return;
    const lower = names.map((name) => name.toLowerCase());
    let found = lower.indexOf(wanted);
    if (found < 0) found = lower.findIndex((name) => name.startsWith(wanted));
    if (found < 0) found = lower.findIndex((name) => name.includes(wanted));
    if (found < 0) {
      readout.textContent = `No class is named '${search.value}'.`;
      return;
    }
    cursor.row = cursor.column = position[found];
    view.span = Math.min(n, 24, Math.floor(0.74 * side / 20)); // counts have room from 20 px on
    centre();
    say();
  });

  sorting.addEventListener("change", () => {
    const [row, column] = [order[cursor.row], order[cursor.column]];
    const recall = (at) => (totals[at] ? right[at] / totals[at] : 2);
    const by = { name: (a, b) => a - b, weak: (a, b) => recall(a) - recall(b) || a - b };
    order.sort(by[sorting.value]);
    order.forEach((at, where) => { position[at] = where; });
    Object.assign(cursor, { row: position[row], column: position[column] });
    centre();
    say();
  });

  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  charts.atEachWidth(map.parentElement, (width) => {
    side = Math.min(width, 620);
    draw();
  });
  say();
};
