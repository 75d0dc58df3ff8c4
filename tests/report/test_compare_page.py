"""The page that holds runs against each other: every number is one of its facts."""

import dataclasses
import html
import json
import re
from pathlib import Path
from typing import Any

import pytest

from edgedistill.comparison import compare_runs
from edgedistill.report.compare_page import render_compare_page, summary_lines, verdict
from edgedistill.report.compare_sections.flips import MOST_FLIPS, fair_shares
from edgedistill.report.comparison_facts import ComparisonFacts
from tests.finished_runs import Run, Said
from tests.report.browser import browser, needs_browser

ODD = "<script>alert('&')</script>"


def said(n_right: int, n_wrong: int, **more: Any) -> list[Said]:
    """That many cups, the first ones named right."""
    names = ["cup"] * n_right + ["mug"] * n_wrong
    return [Said(f"cup/{i:03d}.jpg", "cup", name, **more) for i, name in enumerate(names)]


def facts_of(tmp_path: Path, **runs: Run) -> ComparisonFacts:
    return compare_runs([run.write(tmp_path / name) for name, run in runs.items()])


def shown(facts: ComparisonFacts) -> str:
    return html.unescape(render_compare_page(facts)).replace("\u00a0", " ")


def row(page: str, name: str) -> list[list[str]]:
    """The cells behind a name, of each row that begins with it."""
    rows = re.findall(rf"<tr><td>{re.escape(name)}</td>(.*?)</tr>", page)
    return [re.findall(r"<td[^>]*>(.*?)</td>", cells) for cells in rows]


def test_a_page_of_two_runs_shows_each_figure_of_its_facts(tmp_path: Path) -> None:
    # On 20 photos: 10 and 19 right; 9 only by new.
    old = Run(said(10, 10), figures={"macro_f1": 0.61, "ece": 0.125}, f1={"cup": 0.5, "mug": 0.9},
              settings={"lr_student": 0.001})  # fmt: skip
    new = Run(said(19, 1), figures={"macro_f1": 0.72, "ece": 0.06}, f1={"cup": 0.75, "mug": 0.8},
              settings={"lr_student": 0.002}, machine={"processor": "another"})  # fmt: skip
    page = shown(facts_of(tmp_path, old=old, new=new))
    assert row(page, "top-1") == [["50.0% (48.0 to 52.0)", "95.0% (93.0 to 97.0)"]]
    assert row(page, "macro-F1") == [["61.0% (59.0 to 63.0)", "72.0% (70.0 to 74.0)"]]
    assert row(page, "ECE") == [["0.125 (0.105 to 0.145)", "0.060 (0.040 to 0.080)"]]
    assert row(page, "only old right") == [["0"]]
    assert row(page, "only it right") == [["9"]]
    assert row(page, "difference, points") == [["+45.0"]]
    assert row(page, "p") == [["0.004"]]  # 2 / 2**9 = 0.0039
    assert row(page, "against old") == [["better"]]
    assert row(page, "p after Holm") == []
    assert row(page, "the same answer") == [["11"]]
    assert row(page, "right to wrong") == row(page, "wrong to another wrong") == [["0"]]
    count, *listed = row(page, "wrong to right")
    assert count == ["9"]
    assert listed == [
        [f"cup/{i:03d}.jpg", "cup", "mug", "90.0%", "cup", "90.0%"] for i in range(10, 19)
    ]
    # The largest difference of F1 first, of equal ones by name.
    classes = page[page.index("Classes, the largest difference first") :]
    assert re.findall(r"<tr><td>(cup|fork|mug)</td>", classes) == ["cup", "mug", "fork"]
    assert row(page, "cup")[0] == ["20", "50.0%", "+25.0"]
    assert row(page, "mug")[0] == ["0", "90.0%", "-10.0"]
    assert row(page, "lr_student") == [["0.001", "0.002"]]
    assert row(page, "processor") == [["any", "another"]]
    assert "their measured times tell nothing of the files" in page
    assert row(page, "threshold") == [["0.61", "0.61"]]
    assert row(page, "photos missing for that") == [["31", "31"]]
    assert row(page, "size, MB") == [["4.51", "4.51"]]
    assert row(page, "measured, 1 thread, median, ms") == [["7.00", "7.00"]]
    assert row(page, "teacher")[0] == ["95.0% (93.0 to 97.0)"] * 2


def test_the_verdict_tells_what_is_clear_from_what_chance_explains(tmp_path: Path) -> None:
    facts = facts_of(
        tmp_path,
        first=Run(said(10, 10)),
        much=Run(said(20, 0)),
        little=Run(said(12, 8)),
        less=Run(said(0, 20), gate={"ship": False, "reasons": ["It is bad."]}),
        other=Run([Said("new", "cup", "cup")]),
    )
    assert verdict(facts) == (
        "The int8 file of 'first' is right on 50.0% of 20 test photos. On the same photos 'much' "
        "is better, beyond what chance explains. Between it and 'little' no difference is seen "
        "that chance would not explain. On the same photos 'less' is worse, beyond what chance "
        "explains. 'other' cannot be held against it photo by photo. Marked 'do not ship': 'less'."
    )
    page = shown(facts)
    assert "'less' is marked 'do not ship': It is bad." in page
    assert "'first' and 'other' have no test photo in common" in page
    assert "Not the same test photos as those of 'first': 'other'." in page
    # 10 of 10, 2 of 2 and 10 of 10 one-sided: p = 2 / 1024, 0.5, 2 / 1024; times 3, 1 and 3.
    assert row(page, "p") == [["0.002", "0.500", "0.002"]]
    assert row(page, "p after Holm") == [["0.006", "0.500", "0.006"]]


def test_what_is_clear_alone_may_not_be_so_among_several(tmp_path: Path) -> None:
    # Right on 6 photos more: p = 2 / 2**6 = 0.031; of two such runs 0.0625, which is above 0.05.
    first, better = Run(said(4, 6)), Run(said(10, 0))
    alone = facts_of(tmp_path / "alone", first=first, b=better)
    assert "'b' is better, beyond what chance explains." in verdict(alone)
    two = facts_of(tmp_path / "two", first=first, b=better, c=better)
    assert "Between it and 'b' and 'c' no difference is seen" in verdict(two)
    assert row(shown(two), "against first") == [["no clear difference"] * 2]


def test_of_what_is_the_same_the_page_says_so(tmp_path: Path) -> None:
    same = Run(said(3, 1))
    page = shown(facts_of(tmp_path, a=same, b=same))
    for sentence in (
        "All settings that can change a result are the same.", "Versions and machine are the same.",
        "The photos are the same, by place, label and pixels.",
        "They were divided in the same way.", "The int8 files are the same, byte for byte.",
    ):  # fmt: skip
        assert sentence in page
    assert row(page, "the same answer") == [["4"]]
    for nobody_asked in ("top-1 of damaged photos", "unknown photos answered"):
        assert nobody_asked not in page


def test_a_figure_that_a_run_lacks_is_a_dash(tmp_path: Path) -> None:
    damaged = {"n_photos": 300, "clean_top1": 0.9, "mean_top1": 0.75}
    unknown = {"accepted_share": 0.25, "accepted_share_interval": [0.1, 0.5]}
    a = Run(said(3, 1), evaluation={"robustness": damaged}, settings={"new": 3},
            threshold={"unknown": unknown})  # fmt: skip
    page = shown(facts_of(tmp_path, a=a, b=Run(said(3, 1), classes=("cup", "mug"))))
    assert row(page, "top-1 of damaged photos") == [["75.0%", "–"]]
    assert row(page, "the same, undamaged") == [["90.0% of 300", "–"]]
    assert row(page, "unknown photos answered") == [["25.0% (10.0 to 50.0)", "–"]]
    assert row(page, "new") == [["3", "–"]]
    assert row(page, "fork") == [["0", "50.0%", "–"]]
    assert "No two runs are compared photo by photo; the section above says why." in page


def test_all_flips_are_counted_and_some_are_listed(tmp_path: Path) -> None:
    facts = facts_of(tmp_path, a=Run(said(300, 0)), b=Run(said(0, 300)), c=Run(said(299, 1)))
    page = shown(facts)
    assert "<summary>b: 300 photos, 50 of them</summary>" in page
    assert "<summary>c: 1 photo</summary>" in page
    assert page.count(".jpg</td>") == MOST_FLIPS // 2 + 1
    assert row(page, "right to wrong")[0] == ["300", "1"]


def test_what_one_kind_of_flip_does_not_need_goes_to_the_others() -> None:
    assert fair_shares([300, 250, 3], 100) == [49, 48, 3]  # 3, then half of 97, then the rest
    assert fair_shares([250, 3, 300], 100) == [48, 3, 49]
    assert fair_shares([1, 2, 3], 100) == [1, 2, 3]
    assert fair_shares([0, 0, 0], 100) == [0, 0, 0]


def test_names_are_escaped_wherever_they_stand(tmp_path: Path) -> None:
    photos = [Said(f"{ODD}/{i}", ODD, name) for i, name in enumerate((ODD, "cup"))]
    run = Run(photos, classes=("cup", ODD), settings={"data_dir": ODD},
              gate={"ship": False, "reasons": [ODD]})  # fmt: skip
    other = dataclasses.replace(run, said=[photos[0], Said(f"{ODD}/1", ODD, ODD)], settings={})
    page = render_compare_page(facts_of(tmp_path, **{"a": run, "<b>&": other}))
    assert ODD not in page
    assert "<b>&" not in page


def test_the_summary_has_a_line_for_each_run_and_tells_why_one_is_not_compared(
    tmp_path: Path,
) -> None:
    facts = facts_of(
        tmp_path, first=Run(said(10, 10)), b=Run(said(20, 0)), c=Run([Said("x", "cup", "cup")])
    )
    lines = summary_lines(facts)
    assert lines[1] == "first  50.0% (48.0 to 52.0) of 20"
    assert re.fullmatch(
        r"b      100\.0% \(98\.0 to 100\.0\) of 20; \+50\.0 points \(\+.+ to \+.+\), p 0\.002",
        lines[2],
    )
    assert lines[3] == "c      100.0% (98.0 to 100.0) of 1; not compared photo by photo"
    assert lines[4] == facts.pairs[1].refusal
    assert len(lines) == 5


def charts_in(page: str) -> list[Any]:
    texts = re.findall(r'<script type="application/json">(.*?)</script>', page, re.DOTALL)
    return [json.loads(text) for text in texts]


def test_charts_are_drawn_from_the_figures_of_the_tables(tmp_path: Path) -> None:
    facts = facts_of(tmp_path, a=Run(said(10, 10)), b=Run(said(19, 1)))
    page = render_compare_page(facts)
    top1, _, difference = charts_in(page)
    dots = next(data for mark, data, _ in top1[0]["marks"] if mark == "dot")
    assert [(d["name"], d["value"]) for d in dots] == [("a", 0.5), ("b", 0.95)]
    assert dots[1]["low"] == pytest.approx(0.93)
    (dot,) = next(data for mark, data, _ in difference[0]["marks"] if mark == "dot")
    assert facts.pairs[0].answers is not None
    low, high = facts.pairs[0].answers.paired.difference_interval
    assert (dot["name"], dot["value"]) == ("b", pytest.approx(0.45))
    assert (dot["low"], dot["high"]) == (low, high)
    numbers = [["95.0%", "93.0%", "97.0%"], ["80.0%", "78.0%", "82.0%"],
               ["+45.0", f"{100 * low:+.1f}", f"{100 * high:+.1f}"]]  # fmt: skip
    assert row(page, "b") == numbers


@needs_browser
def test_ten_runs_of_many_classes_are_drawn_without_a_word_in_the_console(tmp_path: Path) -> None:
    classes = [f"class {i:03d}" for i in range(500)]
    photos = [Said(f"{name}/1.jpg", name, name) for name in classes]
    wrong = [dataclasses.replace(s, predicted_name="class 000") for s in photos]
    runs = {f"run {i}": Run([*wrong[: 20 * i], *photos[20 * i :]], classes) for i in range(10)}
    page = tmp_path / "compare.html"
    page.write_text(render_compare_page(facts_of(tmp_path / "runs", **runs)), encoding="utf-8")
    assert page.stat().st_size < 2_000_000
    with browser(tmp_path / "profile") as chromium:
        for width in (400, 1400):
            chromium.open(page, width=width)
            assert chromium.problems == []
            assert chromium.run("document.documentElement.scrollWidth") <= width
            assert chromium.run("document.querySelectorAll('.drawing circle').length") == 29
