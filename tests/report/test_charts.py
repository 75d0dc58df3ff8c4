import json
import re

import pytest

from edgedistill.report.charts import Chart, Measured, interval_panel, script_json
from edgedistill.report.page import Section, Table, render_page
from tests.report.browser import browser, needs_browser
from tests.report.test_page import parse

ODD = "</script><script>alert('&')</script><!--\u2028"


def interval_chart(name: str = "a cup") -> Chart:
    rows = [
        Measured(name, 0.5, (0.4, 0.6), "half"),
        Measured("b", 0.25, None, "a quarter"),
        Measured("c", None, None, "none"),
    ]
    panel = interval_panel(rows, label="right", reference=0.3)
    return Chart(name, f"Shares of {name}", [panel], ["name", "right"], [[name, "50 %"]], "How.")


def page_of(*charts: Chart) -> str:
    return render_page("t", "l", [Section("s", charts=charts)])


def data_in(page: str) -> list:
    """What the page's charts are drawn from."""
    texts = re.findall(r'<script type="application/json">(.*?)</script>', page, re.DOTALL)
    return [json.loads(text) for text in texts]


def test_a_page_without_charts_has_no_script():
    assert "<script" not in render_page("t", "l", [Section("s", table=Table(["a"], [["b"]]))])


def test_the_library_stands_in_the_page_once_with_its_licences():
    page = page_of(interval_chart(), interval_chart("b"))
    assert page.count("// https://d3js.org v7") == 1
    assert page.count("// @observablehq/plot v0.6") == 1
    assert page.count("Permission to use, copy, modify, and/or distribute") >= 2
    # Each script element ends where we end it.
    assert page.count("<script") == page.count("</script>") == 4 + 2
    assert "<!--" not in page
    assert len(page) < 550_000


def test_no_text_of_a_chart_ends_its_script():
    chart = interval_chart(ODD)
    page = page_of(chart)
    # Licences, three scripts and the data of the chart: no element more.
    assert page.count("</script>") == 5
    assert data_in(page)[0] == json.loads(json.dumps(chart.data))
    assert "\u2028" not in script_json(ODD)
    assert parse(page)


def test_a_number_that_json_cannot_say_is_refused():
    with pytest.raises(ValueError, match="JSON"):
        script_json([float("nan")])


def test_a_chart_is_told_in_words_and_its_numbers_stand_in_a_table():
    page = page_of(interval_chart())
    seen = parse(page).seen
    drawing = next(a for _, a in seen if a.get("class") == "drawing")
    assert drawing == {"class": "drawing", "role": "img", "aria-label": "Shares of a cup"}
    assert "<summary>Numbers of: a cup</summary>" in page
    assert "50 %</td>" in page


def test_a_row_without_a_figure_keeps_its_place_and_has_no_dot():
    panel = interval_panel([Measured("c", None, None, "none"), Measured("d", 1, None, "all")],
                           label="right")  # fmt: skip
    assert panel["y"]["domain"] == ["c", "d"]
    (_, lines, _), (_, dots, _) = panel["marks"]
    assert lines == dots
    assert [(d["name"], d["low"], d["value"], d["high"]) for d in dots] == [("d", 1, 1, 1)]


@needs_browser
def test_a_chart_is_drawn_at_every_width_without_a_word_in_the_console(tmp_path):
    page = tmp_path / "page.html"
    page.write_text(page_of(interval_chart(), interval_chart(ODD)), encoding="utf-8")
    with browser(tmp_path / "profile") as chromium:
        for width in (400, 1400):
            chromium.open(page, width=width)
            assert chromium.problems == []
            assert chromium.run("document.querySelectorAll('.drawing svg circle').length") == 4
            assert chromium.run("document.documentElement.scrollWidth") <= width
        chromium.open(page, width=1400)
        before = chromium.run("document.querySelector('.drawing svg').clientWidth")
        chromium.tell("Emulation.setDeviceMetricsOverride", width=500, height=900,
                      deviceScaleFactor=1, mobile=False)  # fmt: skip
        chromium.run("new Promise(done => setTimeout(done, 300))")
        after = chromium.run("document.querySelector('.drawing svg').getAttribute('width')")
        assert int(after) < before
        assert chromium.requests == [page.absolute().as_uri()] * len(chromium.requests)
