"""The style sheet of every page: light and dark, wide screen and phone, no outside file."""

STYLE = """
:root { color-scheme: light dark;
  --ground: #f6f7f9; --card: #ffffff; --ink: #1a2130; --soft: #5b6577; --line: #e1e5eb;
  --accent: #2457a6; --stripe: #f3f5f8;
  --c1: #2467b3; --c2: #c75a00; --c3: #0b7f63; --c4: #a8307a; --c5: #7a6a00; --c6: #5c6675;
  --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root {
  --ground: #12161d; --card: #1b212b; --ink: #e7ebf2; --soft: #9aa6b8; --line: #2d3542;
  --accent: #8ab4f8; --stripe: #202733;
  --c1: #6fb1ff; --c2: #ff9f4a; --c3: #4fd1ae; --c4: #f08cc8; --c5: #d9c84a; --c6: #a3adbd;
  --bad: #ff8a80; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
main { max-width: 1120px; margin: 0 auto; padding: 32px 20px 64px; }
h1 { font-size: 1.35rem; margin: 0 0 6px; color: var(--soft); font-weight: 600; }
h2 { font-size: 1.15rem; margin: 0 0 10px; }
h3 { font-size: 1rem; margin: 14px 0 6px; }
p, ul { margin: 0 0 12px; max-width: 92ch; }
p, li, summary { overflow-wrap: break-word; }
ul { padding-left: 1.2em; } li { margin-bottom: 6px; }
ol { padding-left: 1.6em; margin: 0 0 12px; max-width: 92ch; }
.lead { font-size: 1.35rem; line-height: 1.4; font-weight: 600; margin-bottom: 22px; }
.lead.good, .lead.warning, .lead.bad { border-left: 6px solid var(--c3); padding-left: 14px; }
.lead.warning { border-color: var(--c2); } .lead.bad { border-color: var(--bad); }
.cards { display: grid; gap: 14px; margin-bottom: 18px;
  grid-template-columns: repeat(auto-fit, minmax(190px, 1fr)); }
.card, section { background: var(--card); border: 1px solid var(--line); border-radius: 10px; }
.card { padding: 14px 18px; display: flex; flex-direction: column; }
.card .label { color: var(--soft); font-size: .85rem; }
.card .value { font-size: 1.9rem; font-weight: 700; color: var(--accent); line-height: 1.3; }
.card .remark { color: var(--soft); font-size: .85rem; }
section { padding: 20px 22px; margin-top: 18px; }
section > *:last-child { margin-bottom: 0; }
.scroll { overflow-x: auto; margin-bottom: 12px; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .93rem; }
th, td { text-align: left; padding: 5px 14px; border-bottom: 1px solid var(--line);
  vertical-align: top; }
th { color: var(--soft); font-weight: 600; white-space: nowrap; }
th:first-child, td:first-child { padding-left: 6px; }
td { overflow-wrap: break-word; }
td.long { overflow-wrap: anywhere; min-width: 11em; }
tbody tr:nth-child(even) { background: var(--stripe); }
.number { text-align: right; white-space: nowrap; }
details { margin-bottom: 12px; } summary { cursor: pointer; color: var(--accent); }
.pictures { display: grid; gap: 16px;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 420px), 1fr)); }
figure { margin: 0; } figure.wide { grid-column: 1 / -1; overflow-x: auto; }
figure.wide img { min-width: min(100%, 620px); }
.beside { display: flex; flex-wrap: wrap; gap: 16px 36px; align-items: flex-start; }
.beside th, .beside td { padding: 5px 9px; }
.beside > div { flex: 1 1 380px; min-width: 0; }
.beside > .pictures { flex: 1 1 420px; grid-template-columns: 1fr; }
figure img { display: block; max-width: 100%; height: auto; background: #fff;
  padding: 6px;  border-radius: 6px; }
.gallery { display: grid; gap: 14px 18px; margin-bottom: 12px; align-items: start;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, var(--cell)), 1fr)); }
.gallery figure { min-width: 0; }
.gallery .tile { padding: 10px; border-radius: 8px; background: var(--stripe); height: 100%; }
.gallery figcaption { margin: 4px 0; }
.tile figcaption { border-top: 1px solid var(--line); margin: 8px 0 0; padding-top: 4px; }
.gallery img { padding: 0; background: none; border-radius: 4px; }
.gallery b, .gallery span { display: block; overflow-wrap: anywhere; }
.gallery b { color: var(--ink); font-weight: 600; }
.abreast { display: flex; flex-wrap: wrap; gap: 0 56px; }
.abreast > div { flex: 1 1 380px; min-width: 0; }
.shots { display: flex; flex-wrap: wrap; gap: 4px; }
.shot { flex: 1 1 112px; min-width: 0; font-size: .88rem; color: var(--soft); }
.shot span { font-size: .8rem; }
.shot img, .blank { margin-bottom: 4px; }
.blank { display: flex; align-items: center; justify-content: center; font-size: .8rem;
  width: 96px; height: 96px; max-width: 100%; border: 1px dashed var(--line);
  border-radius: 4px; color: var(--soft); }
details > .gallery { margin-top: 10px; }
@media (max-width: 640px) { main { padding: 18px 10px 40px; } section { padding: 15px 14px; }
  .lead { font-size: 1.15rem; } .cards { gap: 10px; grid-template-columns: 1fr 1fr; }
  .card { padding: 11px 13px; } .card .value { font-size: 1.5rem; } th, td { padding: 5px 9px; }
  figure:not(.tile) > .shots img { max-width: max(40px, calc(20% - 4px)); }
  .scroll th, .scroll td { padding: 5px 7px; }
  figure.wide img { min-width: 620px; } .beside > * { flex-basis: 100% !important; } }
figcaption { color: var(--soft); font-size: .88rem; margin-top: 6px; }
.charts { display: grid; gap: 18px 28px; margin-bottom: 12px; align-items: start;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 420px), 1fr)); }
.chart { min-width: 0; } .chart.wide { overflow-x: visible; }
.chart h3 { margin-top: 0; } .chart details { margin: 6px 0 0; font-size: .88rem; }
.drawing { min-width: 0; min-height: 40px; } .drawing figure { max-width: 100% !important; }
.drawing svg { display: block; max-width: 100%; overflow: visible; }
.drawing [class*=swatches] { font-size: 13px !important; }
.drawing [aria-label=tip] { --plot-background: var(--card); }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.matrix { font-size: .9rem; } .matrix caption { text-align: left; color: var(--soft); }
.matrix tbody tr:nth-child(even) { background: none; }
.matrix td { text-align: right; padding: 5px 10px; min-width: 3.2em; }
.matrix td.right { background: color-mix(in srgb, var(--c1) calc(var(--share) * 60%),
  transparent); }
.matrix td.wrong { background: color-mix(in srgb, var(--c2) calc(18% + var(--share) * 50%),
  transparent); }
.matrix thead th { vertical-align: bottom; white-space: normal; max-width: 8em;
  text-align: right; }
.steep thead span { writing-mode: vertical-rl; transform: rotate(180deg); max-height: 11em;
  text-align: left; }
.matrix tbody th { white-space: normal; overflow-wrap: anywhere; max-width: 14em; }
.matrix .corner { text-align: left; color: var(--soft); font-size: .8rem; min-width: 8em; }
.controls { display: flex; flex-wrap: wrap; gap: 8px 14px; align-items: center;
  margin: 8px 0; font-size: .92rem; }
.controls label { display: flex; flex-wrap: wrap; gap: 8px; align-items: center; }
.controls input[type=range] { width: min(420px, 72vw); accent-color: var(--accent); }
.controls input[type=search] { width: min(260px, 70vw); }
.controls input, .controls select, .controls button { font: inherit; color: var(--ink);
  background: var(--ground); border: 1px solid var(--line); border-radius: 6px; padding: 4px 9px; }
.controls button { cursor: pointer; }
.readout { margin: 6px 0; font-weight: 600; min-height: 1.55em; max-width: none; }
.heatmap { display: flex; flex-wrap: wrap; gap: 10px 26px; align-items: flex-start; }
.heatmap canvas { display: block; touch-action: pan-y; cursor: grab; max-width: 100%; }
.heatmap > div { flex: 1 1 240px; min-width: 0; font-size: .92rem; }
.heatmap > .map { flex: none; max-width: 100%; }
@media print { .controls { display: none; }
  :root { font-size: 12px; } body { background: none; font-size: 1rem; }
  .charts { grid-template-columns: 1fr 1fr; } .cards { grid-template-columns: repeat(4, 1fr); }
  main { max-width: none; padding: 0; }
  .card, section { border-color: #bbb; } section { margin-top: 10px; padding: 10px 14px; }
  h2, h3 { break-after: avoid; } tr, .card, .chart, .gallery figure { break-inside: avoid; } }
"""
