"""What the charts of a run's page are drawn from is what the documents say, to the last bit."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from edgedistill.report.run_page import render_run_page
from edgedistill.report.run_sections.calibration import calibration_section
from edgedistill.report.run_sections.training import training_curves
from tests.report.example_run import changed, example_run
from tests.report.read_page import ReadPage

RUN = example_run(50)
CHARTS = ReadPage(render_run_page(RUN)).charts


def drawn(panel: Any, mark: str) -> list[dict[str, Any]]:
    """The data of the last mark of this name."""
    return list([data for name, data, _ in panel["marks"] if name == mark][-1])


def intervals(panel: Any) -> list[tuple]:
    rows = drawn(panel, "dot")
    assert rows == drawn(panel, "ruleY")
    return [(row["name"], row["value"], [row["low"], row["high"]]) for row in rows]


def reference(panel: Any) -> float:
    ((_, (value,), _),) = [mark for mark in panel["marks"] if mark[0] == "ruleX"]
    return float(value)


def test_the_waterfall_is_evaluations_models_and_its_arrows_tell_noise_from_loss():
    models, comparisons = RUN.evaluation["models"], RUN.evaluation["comparisons"]
    (panel,) = CHARTS["From the teacher to the file"]["Right on the test photos, model by model"]
    assert intervals(panel) == [(m["title"], m["top1"], m["top1_interval"]) for m in models]
    arrows = drawn(panel, "arrow")
    assert [(a["x1"], a["x2"]) for a in arrows] == [
        (before["top1"], after["top1"]) for before, after in pairwise(models)
    ]
    noise, gain, loss = "var(--c6)", "var(--c3)", "var(--c2)"
    assert [a["colour"] for a in arrows] == [
        noise if c["p_value"] >= 0.05 else gain if c["difference"] > 0 else loss
        for c in comparisons
    ]
    assert len({a["colour"] for a in arrows}) > 1  # or the example shows nothing


def test_the_slider_has_the_rows_of_the_curve_and_the_thresholds_of_the_document():
    data = CHARTS["When the app should say 'unknown'"]["Try a threshold"]
    assert data["rows"] == [
        [row["threshold"], row["coverage"], row["accept_accuracy"]] for row in RUN.curve
    ]
    threshold = RUN.threshold
    assert data["recommended"] == threshold["recommended_threshold"]
    assert data["guaranteed"] == threshold["guaranteed_threshold"]
    assert (data["target"], data["min_coverage"]) == (0.95, 0.6)


@pytest.mark.parametrize("n_classes", [15, 50, 500])
def test_the_map_holds_the_whole_confusion_matrix(n_classes):
    run = RUN if n_classes == 50 else example_run(n_classes)
    charts = CHARTS if n_classes == 50 else ReadPage(render_run_page(run)).charts
    data = charts["What is taken for what"][f"Confusion matrix of {n_classes} classes"]
    assert data["names"] == list(run.metrics["per_class"])
    dense = np.zeros((n_classes, n_classes), dtype=int)
    for true, predicted, count in data["cells"]:
        dense[true, predicted] = count
    assert dense.tolist() == run.confusion


@pytest.mark.parametrize("n_classes", [2, 14])
def test_a_small_matrix_is_a_table_with_a_header_cell_a_row_and_a_column(n_classes):
    run = example_run(n_classes)
    page = render_run_page(run)
    names = list(run.metrics["per_class"])
    head, *rows = ReadPage(page).tables["What is taken for what"]["Confusion matrix"]
    assert head[1:] == names
    assert [row[0] for row in rows] == names
    assert [[int(n) for n in row[1:]] for row in rows] == run.confusion
    assert page.count('<th scope="row">') == n_classes


@pytest.mark.parametrize("kind", ["width", "mass"])
def test_the_reliability_diagrams_are_evaluations_bins(kind):
    bins = RUN.evaluation["calibration"][f"equal_{kind}"]
    above, below = CHARTS["Whether its confidence can be believed"][f"Bins of equal {kind}"]
    dots = drawn(above, "dot")
    assert [(d["confidence"], d["accuracy"], [d["low"], d["high"]]) for d in dots] == [
        (b["mean_confidence"], b["accuracy"], b["accuracy_interval"]) for b in bins if b["count"]
    ]
    assert drawn(below, "rectY") == [
        {"low": b["low"], "high": b["high"], "count": b["count"]} for b in bins
    ]


def test_the_histogram_counts_right_and_wrong_apart():
    histogram = RUN.evaluation["calibration"]["histogram"]
    panels = CHARTS["Whether its confidence can be believed"][
        "Confidence of right and of wrong answers"
    ]
    for panel, name in zip(panels, ("right", "wrong"), strict=True):
        bars = drawn(panel, "rectY")
        assert [b["photos"] for b in bars] == histogram[name]
        assert [b["low"] for b in bars] == histogram["edges"][:-1]
        assert [b["high"] for b in bars] == histogram["edges"][1:]
        assert reference(panel) == RUN.threshold["recommended_threshold"]


def test_where_nothing_is_wrong_the_scale_still_starts_at_nothing():
    calibration = RUN.evaluation["calibration"]
    histogram = {**calibration["histogram"], "wrong": [0] * 20}
    run = changed("evaluation", RUN, calibration={**calibration, "histogram": histogram})
    _, wrong = calibration_section(run).charts[2].data
    assert wrong["y"]["domain"] == [0, 1]


@pytest.mark.parametrize(
    ("title", "by"),
    [("By size of the photo", "size"), ("By brightness", "brightness"), ("By folder", "folder")],
)
def test_slices_stand_beside_the_accuracy_on_all(title, by):
    (panel,) = CHARTS["Which photos it is good at"][title]
    rows = RUN.evaluation["slices"][by]
    assert intervals(panel) == [(r["name"], r["top1"], r["top1_interval"]) for r in rows]
    assert reference(panel) == RUN.metrics["top1"]


def test_damages_stand_beside_the_clean_photos():
    (panel,) = CHARTS["Photos as phones take them"]["Right under damage"]
    robustness = RUN.evaluation["robustness"]
    assert [row[1:] for row in intervals(panel)] == [
        (d["top1"], d["top1_interval"]) for d in robustness["damages"]
    ]
    assert reference(panel) == robustness["clean_top1"]


def test_without_robustness_the_page_says_why():
    page = render_run_page(changed("evaluation", RUN, robustness=None))
    assert "Not measured: robustness_photos is 0." in page


def test_a_training_has_a_curve_a_key_and_a_ring_around_the_kept_epoch():
    keys = {"Loss": ("loss", "val_loss"), "Accuracy": ("train_accuracy", "val_accuracy")}
    for heading, history in (
        ("Training of the teacher (efficientnet_b3)", RUN.teachers[0]["history"]),
        ("Training of the student (efficientnet_lite1)", RUN.student["history"]),
        ("Quantisation-aware fine-tuning", RUN.quantization["history"]),
    ):
        for title, pair in keys.items():
            (panel,) = CHARTS[heading][title]
            for key, of in zip(pair, ("training", "validation"), strict=True):
                points = [p for p in drawn(panel, "line") if p["of"] == of]
                assert [(p["epoch"], p["value"]) for p in points] == [
                    (row["epoch"], row[key]) for row in history
                ]
            # The validation loss 1 - accuracy is least at the second row, the first of two.
            (ring,) = drawn(panel, "dot")
            assert ring == {"epoch": 2, "value": history[1][pair[1]]}


def test_stages_are_not_joined_and_a_start_without_training_has_no_training_point():
    rows = [dict(row) for row in RUN.student["history"]]
    start = {**rows[0], "stage": "head", "epoch": 0, "loss": None, "train_accuracy": None}
    loss, _ = training_curves("T", [start, *rows]).charts
    points = drawn(loss.data[0], "line")
    assert {p["line"] for p in points} == {
        "validation head", "training network", "validation network",
    }  # fmt: skip
    assert loss.rows[0] == ["head", "0", "–", f"{start['val_loss']:.3f}"]


def test_a_training_without_epochs_has_no_section():
    run = changed("quantization", RUN, history=[])
    assert "Quantisation-aware fine-tuning" not in ReadPage(render_run_page(run)).sections
