import numpy as np
import pytest

from edgedistill.calibrate.answers import Answers
from edgedistill.calibrate.page import calibration_notes
from edgedistill.calibrate.step import recommendation_document
from edgedistill.core.threshold import recommend_threshold, threshold_curve
from edgedistill.settings import CalibrateSettings


def sure_of_all(*right: bool) -> Answers:
    return Answers(np.full(len(right), 0.9), np.array(right))


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
    answers = sure_of_all(*on_val)
    curve = threshold_curve(answers.confidence, answers.correct)
    chosen = recommend_threshold(curve, target=0.95, min_coverage=0.6, penalty=3.0)
    assert chosen.threshold == 0
    document = recommendation_document(chosen, curve, sure_of_all(True), CalibrateSettings())
    assert told in calibration_notes(document)
    assert "at least 0.00" not in calibration_notes(document)
