"use strict";
// Coverage and accuracy over the threshold, with a slider that reads them off.
// data.rows: [threshold, coverage, accept accuracy or null], thresholds rising.
charts.threshold = (place, data) => {
  const share = (value) => (value === null ? "none" : `${(100 * value).toFixed(1)}%`);
  const marks = [[data.recommended, "recommended"], [data.guaranteed, "guaranteed"]]
    .filter(([t]) => t !== null);
  const nearest = (t) => data.rows.reduce((best, row, at) =>
    Math.abs(row[0] - t) < Math.abs(data.rows[best][0] - t) ? at : best, 0);

  const drawing = document.createElement("div");
  const controls = document.createElement("div");
  controls.className = "controls";
  const label = document.createElement("label");
  const slider = document.createElement("input");
  Object.assign(slider, { type: "range", min: 0, max: data.rows.length - 1, step: 1 });
  slider.value = nearest(data.recommended);
  label.append("Threshold", slider);
  controls.append(label);
  for (const [t, name] of marks) {
    const button = document.createElement("button");
    Object.assign(button, { type: "button", textContent: `${name}: ${t.toFixed(2)}` });
    button.addEventListener("click", () => { slider.value = nearest(t); show(); });
    controls.append(button);
  }
  const readout = document.createElement("p");
  readout.className = "readout";
  readout.setAttribute("aria-live", "polite");
  place.replaceChildren(drawing, controls, readout);

  const lines = data.rows.flatMap(([t, coverage, accuracy]) => [
    { t, share: coverage, of: "answered" },
    { t, share: accuracy, of: "right among these" },
  ]);
  const wishes = [[data.target, 1], [data.min_coverage, 0]];
  let width = 0;

  function show() {
    const [t, coverage, accuracy] = data.rows[slider.value];
    const words = accuracy === null
      ? `At ${t.toFixed(2)} the app answers none of the photos.`
      : `At ${t.toFixed(2)} the app answers ${share(coverage)} of the photos and is right on ` +
        `${share(accuracy)} of its answers.`;
    readout.textContent = words;
    slider.setAttribute("aria-valuetext", words);
    const colours = ["var(--c1)", "var(--c3)"];
    const shown = [{ share: coverage, of: 0 }, { share: accuracy, of: 1 }];
    drawing.replaceChildren(charts.plotted({
      height: 330,
      marginTop: 44,
      x: { label: "threshold", domain: [0, 1], grid: true },
      y: { label: "share of photos, %", percent: true, domain: [0, 100], grid: true },
      color: { domain: ["answered", "right among these"], range: colours, legend: true },
      marks: [
        ...wishes.map(([wish, of]) => ["ruleY", [wish],
          { stroke: colours[of], strokeDasharray: "4,4", strokeOpacity: 0.8 }]),
        ["ruleX", marks, { x: "0", strokeOpacity: 0.55 }],
        // One above the other, for the two thresholds are often neighbours.
        ...marks.map(([at, name], row) => ["text", [[at, name]], { x: "0", text: "1",
          frameAnchor: "top", dy: -11 - 16 * row, textAnchor: at > 0.5 ? "end" : "start" }]),
        ["line", lines, { x: "t", y: "share", stroke: "of", strokeWidth: 2 }],
        ["ruleX", [t], { stroke: "var(--accent)", strokeWidth: 2 }],
        ["dot", shown.filter((s) => s.share !== null),
          { x: () => t, y: "share", fill: (s) => colours[s.of], r: 5, stroke: "var(--card)" }],
      ],
    }, width));
  }
  slider.addEventListener("input", show);
  charts.atEachWidth(drawing, (px) => { width = px; show(); });
};
