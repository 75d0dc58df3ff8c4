"use strict";
// Draws each figure of class "chart" from the plain data beside it, anew when its width changes.
const charts = {
  /** One Plot a panel, below each other. */
  plot(place, panels) {
    charts.atEachWidth(place, (width) => {
      place.replaceChildren(...panels.map((panel) => charts.plotted(panel, width)));
    });
  },

  /** Room for names that is never exceeded, as names_px in charts.py has it. */
  longestPx: 230,

  /** A panel is the options of Plot.plot; each of its marks is [name, data or null, options]. */
  plotted(panel, width) {
    const { names_px: namesPx, marks, ...options } = panel;
    const marginLeft = Math.min(namesPx ?? panel.marginLeft ?? 46, Math.round(width * 0.4));
    const drawn = marks.map(([name, data, rest]) =>
      data === null ? Plot[name](rest) : Plot[name](data, rest));
    if (namesPx) {
      // Only names that were not given their room are cut; lineWidth is in em, as Plot guesses it.
      const lineWidth = marginLeft < namesPx || namesPx >= charts.longestPx
        ? (marginLeft - 8) / 14.5 : Infinity;
      drawn.push(Plot.axisY({ label: null, tickSize: 0, lineWidth, textOverflow: "ellipsis" }));
    }
    const style = { fontSize: "13px", fontFamily: "inherit", background: "none" };
    const room = { marginTop: 14, marginBottom: 44 };
    return Plot.plot({ ...room, ...options, marks: drawn, width, marginLeft, style });
  },

  /** Calls draw(width in px) now and whenever the width of the place has changed. */
  atEachWidth(place, draw) {
    let drawn = 0;
    const look = () => {
      const width = Math.floor(place.clientWidth);
      if (width > 0 && width !== drawn) draw((drawn = width));
    };
    new ResizeObserver(() => requestAnimationFrame(look)).observe(place);
    look();
  },
};

document.addEventListener("DOMContentLoaded", () => {
  for (const figure of document.querySelectorAll("figure.chart")) {
    const data = JSON.parse(figure.querySelector("script").textContent);
    charts[figure.dataset.kind](figure.querySelector(".drawing"), data);
  }
});
