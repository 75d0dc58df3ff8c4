"""Figures of one model, and of one against another, in the form of the documents."""

import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import binomtest
from sklearn.metrics import f1_score, log_loss

from edgedistill.evaluate.calibration import calibration_document
from edgedistill.evaluate.judged import TITLES, Judged, comparisons


def drawn(seed: int, n_photos: int = 200, n_classes: int = 4) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    labels = draw.integers(n_classes, size=n_photos)
    logits = draw.normal(size=(n_photos, n_classes)).astype(np.float32)
    logits[np.arange(n_photos), labels] += 1.5
    return logits, labels


def test_a_model_is_told_by_its_figures_and_their_intervals():
    logits, labels = drawn(0)
    judged = Judged.of("student", logits, labels, seed=1)
    told = judged.document()
    probabilities = softmax(logits.astype(np.float64), axis=1)
    predicted = probabilities.argmax(axis=1)
    one_hot = np.eye(4)[labels]
    assert told["top1"] == pytest.approx((predicted == labels).mean())
    assert told["macro_f1"] == pytest.approx(f1_score(labels, predicted, average="macro"))
    assert told["nll"] == pytest.approx(log_loss(labels, probabilities, labels=range(4)))
    assert told["brier"] == pytest.approx(((probabilities - one_hot) ** 2).sum(axis=1).mean())
    n_right = int((predicted == labels).sum())
    wilson = binomtest(n_right, 200).proportion_ci(method="wilson")
    assert told["top1_interval"] == pytest.approx([wilson.low, wilson.high])
    for figure in ("macro_f1", "ece"):
        low, high = told[f"{figure}_interval"]
        assert 0 <= low < high <= 1
    assert (told["name"], told["title"]) == ("student", "float student")
    assert judged.suffix == "_student"
    assert Judged.of("file", logits, labels, seed=1).suffix == ""


def test_intervals_repeat_with_the_seed():
    logits, labels = drawn(0)
    once, again = (Judged.of("file", logits, labels, seed=7).document() for _ in range(2))
    assert once == again


def model(name: str, right: list[int]) -> Judged:
    """Right on these of ten photos."""
    logits = np.tile(np.array([0, 1], np.float32), (10, 1))
    logits[right] = [1, 0]
    return Judged.of(name, logits, np.zeros(10, np.int64), seed=1)


def test_each_model_is_compared_with_the_one_before_it():
    models = [
        model("teacher", [0, 1, 2, 3, 4, 5, 6, 7, 8]),
        model("student", [0, 1, 2]),
        model("file", [0, 1, 2, 9]),
    ]
    first, second = comparisons(models)
    assert (first["from"], first["to"]) == ("teacher", "student")
    assert (first["only_from_right"], first["only_to_right"]) == (6, 0)
    assert first["difference"] == pytest.approx(-0.6)
    assert first["p_value"] == pytest.approx(2 / 2**6)
    assert first["difference_interval"][0] < -0.6 < first["difference_interval"][1]
    assert (second["from"], second["to"]) == ("student", "file")
    assert (second["only_from_right"], second["only_to_right"]) == (0, 1)
    assert second["difference"] == pytest.approx(0.1)
    assert second["p_value"] == 1.0


def test_the_student_and_the_file_are_compared_across_what_stands_between():
    told = comparisons([model(name, [n]) for n, name in enumerate(TITLES)])
    assert [(row["from"], row["to"]) for row in told] == [
        ("teacher", "student_without_teacher"),
        ("student_without_teacher", "student"),
        ("student", "post_training"),
        ("post_training", "quantisation_aware"),
        ("quantisation_aware", "file"),
        ("teacher", "student"),
        ("student", "file"),
    ]
    assert all((r["only_from_right"], r["only_to_right"]) == (1, 1) for r in told)


def test_the_models_stand_in_the_order_in_which_one_comes_from_the_other():
    assert list(TITLES) == [
        "teacher", "student_without_teacher", "student", "post_training", "quantisation_aware",
        "file",
    ]  # fmt: skip


def test_calibration_is_told_bin_by_bin_and_empty_bins_say_so():
    # Fifteen bins: 0.5 in (7/15, 8/15], 0.95 and 1.0 in the last one.
    confidence = np.array([0.5, 0.95, 1.0, 0.95])
    right = np.array([True, True, False, True])
    told = calibration_document(confidence, right)
    rows = told["equal_width"]
    assert [row["count"] for row in rows] == [0] * 7 + [1] + [0] * 6 + [3]
    assert rows[7]["accuracy"] == 1.0
    assert rows[14]["mean_confidence"] == pytest.approx(2.9 / 3)
    assert rows[14]["accuracy"] == pytest.approx(2 / 3)
    wilson = binomtest(2, 3).proportion_ci(method="wilson")
    assert rows[14]["accuracy_interval"] == pytest.approx([wilson.low, wilson.high])
    assert rows[0] == {
        "low": 0.0, "high": pytest.approx(1 / 15), "count": 0, "mean_confidence": None,
        "accuracy": None, "accuracy_interval": None,
    }  # fmt: skip
    assert sum(row["count"] for row in told["equal_mass"]) == 4
    histogram = told["histogram"]
    assert len(histogram["edges"]) == 21
    assert [n for n, count in enumerate(histogram["right"]) if count] == [10, 19]
    assert histogram["right"][19] == 2
    assert [n for n, count in enumerate(histogram["wrong"]) if count] == [19]
