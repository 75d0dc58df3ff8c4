import numpy as np
import pytest

from edgedistill.evaluate.gate import BaselineAnswers, gate_document
from edgedistill.settings import EvaluateSettings


def rights(n_right: int, n_photos: int) -> np.ndarray:
    """Right on the first photos."""
    return np.arange(n_photos) < n_right


def gate(right, baseline_right=None, **settings):
    baseline = None if baseline_right is None else BaselineAnswers("old.zip", baseline_right)
    return gate_document(right, baseline, EvaluateSettings.choose(settings))


def test_without_limits_every_model_may_ship():
    assert gate(rights(0, 10)) == {
        "ship": True, "reasons": [], "min_top1": 0.0, "max_regression": 0.01, "baseline": None,
    }  # fmt: skip


@pytest.mark.parametrize(("n_right", "n_photos", "least"), [(9, 10, 0.9), (7, 10, 0.7), (3, 3, 1)])
def test_a_limit_that_is_just_reached_is_met(n_right, n_photos, least):
    assert gate(rights(n_right, n_photos), min_top1=float(least))["ship"]


def test_too_low_an_accuracy_is_told_with_its_interval():
    told = gate(rights(89, 100), min_top1=0.9)
    assert not told["ship"]
    # Wilson: (0.89 + z^2/200 -+ z sqrt(0.89 * 0.11 / 100 + z^2/40000)) / (1 + z^2/100), z = 1.96.
    assert told["reasons"] == [
        "The file is right on 89.00% of 100 test photos (95 % interval 81.37% to 93.75%), less "
        "than min_top1 asks for, 90.00%."
    ]


def test_a_loss_as_large_as_allowed_is_met():
    told = gate(rights(89, 100), rights(90, 100), max_regression=0.01)
    assert told["ship"]
    assert told["baseline"]["difference"] == pytest.approx(-0.01)
    assert told["baseline"]["p_value"] == 1.0  # one photo, lost: a coin falls so always


def test_too_large_a_loss_is_told_with_its_interval_and_p():
    told = gate(rights(84, 100), rights(90, 100), max_regression=0.02)
    assert not told["ship"]
    baseline = told["baseline"]
    assert (baseline["uri"], baseline["top1"]) == ("old.zip", 0.9)
    assert baseline["difference"] == pytest.approx(-0.06)
    assert baseline["p_value"] == pytest.approx(2 / 2**6)  # six photos, all lost
    low, high = baseline["difference_interval"]
    assert -0.2 < low < -0.06 < high < 0
    (reason,) = told["reasons"]
    assert reason.startswith(
        "The file's top-1 is 6.00 points below that of the bundle of baseline_uri on the same 100 "
        f"test photos (95 % interval of the difference {100 * low:+.2f} to {100 * high:+.2f} "
        "points; McNemar's exact test: p = 0.031), more than max_regression allows, 2.00 points."
    )


def test_a_better_model_meets_the_gate_and_both_limits_may_be_missed():
    assert gate(rights(95, 100), rights(90, 100), max_regression=0.0)["ship"]
    told = gate(rights(50, 100), rights(90, 100), min_top1=0.6, max_regression=0.0)
    assert len(told["reasons"]) == 2
