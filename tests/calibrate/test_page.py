from pathlib import Path

import numpy as np
import pytest

from edgedistill.artifacts import CONFIDENCE_PNG, RELIABILITY_PNG, THRESHOLD_PNG
from edgedistill.calibrate.page import render_calibration_page
from edgedistill.calibrate.recommendation import Evidence, recommendation_document
from edgedistill.settings import CalibrateSettings
from tests.calibrate.bundle.model_folder import (
    full_threshold_document,
    gate_document,
    threshold_document,
)
from tests.calibrate.made_answers import answers


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for name in (THRESHOLD_PNG, RELIABILITY_PNG, CONFIDENCE_PNG):
        (tmp_path / name).write_bytes(b"\x89PNG")
    return tmp_path


@pytest.mark.parametrize(
    ("on_val", "told"),
    [
        # All right: the wish is met by 0, and more cannot be answered.
        ((True, True), "Show every answer, never 'unknown' (a threshold of 0.00): on 2 validation"),
        # 1 of 4 wrong: never 95 % right, and 3 right less 3 for the wrong one is as good as none.
        (
            (True, True, True, False),
            "0.00 is the most useful one where a wrong answer costs 3 right ones: 100.0% are "
            "answered and 75.0% of those are right. Every photo is answered then, none is "
            "'unknown'.",
        ),
    ],
)
def test_notes_of_a_threshold_of_0_say_that_every_photo_is_answered(on_val, told):
    evidence = Evidence(
        answers([0.9] * len(on_val), on_val), answers([0.9], [True]), None, ("a",) * 5, "validation"
    )
    document = recommendation_document(evidence, CalibrateSettings())
    assert document["recommended_threshold"] == 0
    assert told in document["calibration_notes"]
    assert "at least 0.00" not in document["calibration_notes"]


def test_the_note_says_that_nothing_promises_that_all_are_right():
    sure = answers([0.9] * 80, [True] * 80)
    evidence = Evidence(sure, sure, None, ("a",) * 5, "validation")
    settings = CalibrateSettings(threshold_target_accept_accuracy=1.0)
    document = recommendation_document(evidence, settings)
    assert document["guaranteed_threshold"] is None
    assert document["guarantee"]["photos_missing"] is None
    assert document["guarantee"]["note"].startswith("No number of photos can promise")


def test_the_page_shows_what_is_promised_and_what_the_test_photos_say(pictures):
    page = render_calibration_page(pictures, threshold_document(), gate_document())
    assert "Too few photos." in page
    assert "at least 28.0% of the shown answers are right" in page
    assert "<td>recommended</td>" in page
    assert "<td>guaranteed</td>" not in page
    assert "64.0% to 96.5%" in page
    for title in ("Photos of no class", "Temperature", "Thresholds by class", "Do not ship"):
        assert title not in page


def test_the_page_shows_what_is_told_besides(pictures):
    page = render_calibration_page(pictures, full_threshold_document(), gate_document("It is bad."))
    for told in (
        "Do not ship: It is bad. Show the answer",
        "Promised at 0.83.",
        "<td>guaranteed</td>",
        "Of 50 photos of none of the classes 34.0% (22.4% to 47.8%) reach 0.51",
        "accepts 95.0% of the test photos and 42.0% (29.4% to 55.8%) of these.",
        "energy (log of the sum of exp of the logits)",
        "Dividing the logits by 1.438",
        "0.4500",
        "Thresholds by class",
    ):
        assert told in page


def test_a_page_of_a_threshold_that_answers_nothing_has_no_figure_of_it(pictures):
    nothing = recommendation_document(
        Evidence(
            answers([0.4, 0.4], [False, False]), answers([0.3], [True]), np.zeros((2, 5)),
            ("a", "b", "c", "d", "e"), "validation",
        ),
        CalibrateSettings(threshold_per_class=True),
    )  # fmt: skip
    page = render_calibration_page(pictures, nothing, gate_document())
    assert "corrected for the choice" not in page
    assert "none is answered" in page
