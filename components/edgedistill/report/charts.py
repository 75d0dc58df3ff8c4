"""Charts of a page: plain data, drawn in the browser, with their numbers in words beside them.

Observable Plot draws them, with d3 below it (npm: @observablehq/plot, d3; their licences are in
files/LICENCES.txt). Chosen because its SVG takes the page's ink, so that it reads in light and in
dark and prints sharp; because a chart is options in plain data; because it is well kept, and small
enough (490 KB) to be written into a page that may load nothing. matplotlib's PNG files, which a
run leaves too, can do neither.
"""

import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

_FILES: Final = Path(__file__).parent / "files"
_LIBRARIES: Final = ("d3.min.js", "plot.umd.min.js", "charts.js")
_NAME_PX: Final = 7.8
"""Width of a letter of a name, about."""
_MOST_NAMES_PX: Final = 230
_ROW_PX: Final = 30

_NO_SCRIPT: Final = "<noscript>Drawn by a script. Without it, read the numbers below.</noscript>"

PLOT: Final = "plot"
"""The kind of chart that charts.js draws; every other one has a script of its name in files/."""

Panel = Mapping[str, Any]
"""Options of Plot.plot, and `marks`: each [name of a mark, data or null, options]. `names_px`: room
for names of rows at the left, cut where the screen is too narrow."""


@dataclass(frozen=True)
class Chart:
    """What a chart shows: for the eye `data`, for everybody else `alt` and a table of its numbers.

    Args:
        title: heading of the chart.
        alt: what it shows in a sentence, for those who do not see it.
        data: plain data that JSON can hold, without nan; of a chart of kind PLOT its panels.
        header: of the table of its numbers, which is folded.
        rows: of that table; the chart and the table are made of the same figures.
        caption: how to read it, below the chart.
        wide: whether it takes the page's full width.
        kind: what draws it: PLOT, or the stem of a script in files/.
    """

    title: str
    alt: str
    data: Any
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""
    wide: bool = False
    kind: str = PLOT


@dataclass(frozen=True)
class Measured:
    """A figure with its interval, all in [0, 1]; None: there is no such figure.

    `text` says it in words. `colour`: a CSS colour, such as var(--c2).
    """

    name: str
    value: float | None
    interval: Sequence[float] | None
    text: str
    colour: str = "var(--c1)"


def interval_panel(
    rows: Sequence[Measured], *, label: str, reference: float | None = None
) -> dict[str, Any]:
    """A dot for each figure on a row of its own, its interval a line, in percent.

    Args:
        rows: names are unique.
        label: what the figures are, at the axis.
        reference: in [0, 1], a broken line down all rows.
    """
    known = [row for row in rows if row.value is not None]
    data = [
        {
            "name": row.name,
            "value": row.value,
            "low": row.interval[0] if row.interval else row.value,
            "high": row.interval[1] if row.interval else row.value,
            "text": row.text,
            "colour": row.colour,
        }
        for row in known
    ]
    line = [] if reference is None else [["ruleX", [reference], REFERENCE_LINE]]
    return {
        "height": 62 + _ROW_PX * len(rows),
        "names_px": names_px([row.name for row in rows]),
        "marginRight": 18,
        "insetLeft": 8,
        "x": {"percent": True, "label": f"{label}, %", "tickSpacing": 50, "grid": True},
        "y": {"type": "band", "domain": [row.name for row in rows], "label": None, "axis": None},
        "marks": [
            *line,
            ["ruleY", data, {"y": "name", "x1": "low", "x2": "high", "stroke": "colour",
                             "strokeWidth": 2.5, "strokeLinecap": "round"}],
            ["dot", data, {"y": "name", "x": "value", "fill": "colour", "r": 5, "title": "text",
                           "tip": True}],
        ],
    }  # fmt: skip


REFERENCE_LINE: Final = {"stroke": "currentColor", "strokeDasharray": "4,4", "strokeOpacity": 0.6}
"""Options of a rule that others are held against."""


def names_px(names: Sequence[str]) -> int:
    """Room for the longest of the names, in px; charts.js knows the limit too."""
    return min(_MOST_NAMES_PX, 18 + round(_NAME_PX * max(map(len, names), default=0)))


def chart_html(chart: Chart, numbers: str) -> str:
    """The figure: title, drawing, caption, the folded `numbers`, and the data for the script."""
    caption = f"<figcaption>{html.escape(chart.caption)}</figcaption>" if chart.caption else ""
    wide = " wide" if chart.wide else ""
    return (
        f'<figure class="chart{wide}" data-kind="{html.escape(chart.kind)}">'
        f"<h3>{html.escape(chart.title)}</h3>"
        f'<div class="drawing" role="{"img" if chart.kind == PLOT else "group"}" '
        f'aria-label="{html.escape(chart.alt)}">{_NO_SCRIPT}</div>'
        f"{caption}{numbers}"
        f'<script type="application/json">{script_json(chart.data)}</script></figure>'
    )


def script_json(data: Any) -> str:
    """JSON that can stand in a script element: no text in it ends the element or opens another.

    Raises:
        ValueError: a number is not finite, which JSON cannot say.
    """
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def scripts_html(kinds: Sequence[str]) -> str:
    """The library and the scripts that draw these kinds of charts; nothing where there is none."""
    if not kinds:
        return ""
    own = [f"{kind}.js" for kind in dict.fromkeys(kinds) if kind != PLOT]
    licences = f"/*\n{_text('LICENCES.txt')}*/"
    scripts = [licences, *(_text(name) for name in (*_LIBRARIES, *own))]
    return "\n".join(f"<script>{script}</script>" for script in scripts)


def _text(name: str) -> str:
    return (_FILES / name).read_text(encoding="utf-8")
