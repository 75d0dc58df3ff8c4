import html

from edgedistill.report.page import render_page
from edgedistill.report.performance_section import performance_section
from tests.example_documents import performance


def test_both_files_stand_side_by_side() -> None:
    (table,) = performance_section(performance()).all_tables
    assert table.header == ["", "int8 file", "tasks file"]
    assert table.rows == [
        ["1 thread, median, ms", "7.00", "7.50"],
        ["1 thread, 95th percentile, ms", "9.00", "9.50"],
        ["2 threads, median, ms", "4.00", "4.50"],
        ["2 threads, 95th percentile, ms", "5.00", "5.50"],
        ["memory, MB", "12.5", "–"],  # that of the second is not known
        ["size, MB", "4.51", "4.51"],
    ]


def test_the_estimate_is_called_one_and_stands_apart_from_what_was_measured() -> None:
    estimate, measured = performance_section(performance()).paragraphs
    assert estimate.startswith("Estimate for a phone (Pixel 4 class CPU, 4 threads): about 9.1 ms")
    assert "631 million multiply-adds" in estimate
    assert "An estimate from published figures." in estimate
    assert "these times are not a phone's" in measured
    assert "estimate" not in measured.lower()
    assert "model_qat_int8.tflite (int8 file) and model_tasks.tflite (tasks file)" in measured


def test_the_page_holds_every_figure() -> None:
    page = html.unescape(render_page("title", "lead", [performance_section(performance())]))
    for text in ("7.50", "9.1 ms", "12.5", "4.51", "631 million", "model_tasks.tflite"):
        assert text in page
