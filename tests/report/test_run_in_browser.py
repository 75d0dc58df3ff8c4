"""The run's page as a browser shows it: at every size of the data and of the screen."""

import html
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgedistill.report.run_page import render_run_page
from tests.report.browser import Browser, browser, needs_browser
from tests.report.example_run import example_run

pytestmark = needs_browser
ODD = "</script>&amp; 'odd'"
N_CHARTS = 1 + 1 + 3 + 3 + 1 + 3 * 2
"""Waterfall, slider, calibration, slices, robustness, and two for each of three trainings."""
DRAWN = "document.querySelectorAll('figure.chart .drawing svg, figure.chart canvas').length"


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("profile")) as one:
        yield one


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    folder = tmp_path_factory.mktemp("pages")
    paths = {n: folder / f"{n}.html" for n in (2, 5, 50, 500)}
    for n_classes, path in paths.items():
        path.write_text(render_run_page(example_run(n_classes, suffix=ODD)), encoding="utf-8")
    return paths


@pytest.mark.parametrize("n_classes", [2, 5, 50, 500])
def test_every_chart_is_drawn_without_a_word_in_the_console(chromium, pages, n_classes):
    for width, dark in ((400, True), (1400, False)):
        chromium.open(pages[n_classes], width=width, dark=dark)
        assert chromium.problems == []
        figures = chromium.run("document.querySelectorAll('figure.chart').length")
        assert figures == N_CHARTS + (n_classes > 14)
        assert (
            chromium.run(
                "[...document.querySelectorAll('figure.chart')]"
                ".filter(f => !f.querySelector('.drawing svg, .drawing canvas')).length"
            )
            == 0
        )
        # Nothing sticks out to the side, and nothing is fetched.
        assert chromium.run("document.documentElement.scrollWidth") <= width
        assert [url for url in chromium.requests if not url.startswith(("file:", "data:"))] == []


def test_the_page_works_in_the_frame_of_kfps_dashboard(chromium, pages, tmp_path):
    outer = tmp_path / "outer.html"
    page = html.escape(pages[50].read_text(encoding="utf-8"))
    outer.write_text(
        '<!doctype html><title>t</title><iframe sandbox="allow-scripts" width="900" height="600" '
        f'srcdoc="{page}"></iframe>',
        encoding="utf-8",
    )
    chromium.open(outer, width=1000)
    assert chromium.problems == []
    assert chromium.run(DRAWN, in_frame=True) >= N_CHARTS + 1
    assert chromium.run("window.origin", in_frame=True) == "null"


def test_the_slider_moves_by_keyboard_and_reads_the_curves_rows(chromium, pages):
    curve = example_run(5).curve
    chromium.open(pages[5])
    chromium.run("document.querySelector('input[type=range]').focus()")
    at = 61  # the recommended threshold of the example

    def said() -> str:
        text = chromium.run("document.querySelector('.readout').textContent")
        spoken = chromium.run(
            "document.querySelector('input[type=range]').getAttribute('aria-valuetext')"
        )
        assert spoken == text
        return str(text)

    def expected(at: int) -> str:
        row = curve[at]
        return (
            f"At {row['threshold']:.2f} the app answers {row['coverage']:.1%} of the photos and is "
            f"right on {row['accept_accuracy']:.1%} of its answers."
        )

    assert said() == expected(at)
    chromium.press("ArrowRight")
    assert said() == expected(at + 1)
    chromium.press("ArrowLeft")
    chromium.press("ArrowLeft")
    assert said() == expected(at - 1)
    chromium.press("Home")
    assert said() == expected(0)
    chromium.press("End")
    assert said() == "At 0.99 the app answers none of the photos."
    chromium.run("document.querySelectorAll('.controls button')[1].click()")
    assert said() == expected(74)  # the guaranteed one
    assert chromium.problems == []


def test_the_map_is_read_by_keyboard_and_a_class_is_found_by_name(chromium, pages):
    run = example_run(500, suffix=ODD)
    names, matrix = list(run.metrics["per_class"]), run.confusion

    def said() -> str:
        return str(chromium.run("document.querySelector('canvas').closest('.drawing')"
                                ".querySelector('.readout').textContent"))  # fmt: skip

    chromium.open(pages[500])
    chromium.run("document.querySelector('canvas').focus()")
    assert said().startswith(f"'{names[0]}': {matrix[0][0]} of 20 photos named right")
    for key in ("ArrowRight", "ArrowDown", "ArrowDown"):
        chromium.press(key)
    assert said().startswith(f"'{names[2]}': {matrix[2][1]} of 20 photos taken for '{names[1]}'")
    chromium.run("document.querySelector('input[type=search]').focus()")
    chromium.write(names[417])
    assert said().startswith(f"'{names[417]}': {matrix[417][417]} of 20 photos named right")
    details = chromium.run("document.querySelector('.heatmap > div:last-child').innerText")
    for other, count in enumerate(matrix[417]):
        if count and other != 417:
            assert f"{names[other]}: {count} photo" in details
    assert chromium.problems == []


def test_the_page_prints_with_its_charts(chromium, pages):
    chromium.open(pages[5], width=1000, dark=True)
    printed = chromium.tell("Page.printToPDF", printBackground=True)["data"]
    assert len(printed) > 100_000
    assert chromium.problems == []
