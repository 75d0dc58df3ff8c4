import math

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from edgedistill.core.probabilities import cross_entropy, softmax
from edgedistill.core.temperature import LEAST_TEMPERATURE, MOST_TEMPERATURE, fit_temperature


def test_two_photos_in_three_right_calls_for_a_confidence_of_two_thirds():
    # softmax((3, 0) / T) = 2/3 where 3 / T = log 2.
    logits = np.array([[3.0, 0.0]] * 3)
    assert fit_temperature(logits, np.array([0, 0, 1])) == pytest.approx(3 / math.log(2))


@pytest.mark.parametrize("scale", [0.1, 1.0, 10.0])
@pytest.mark.parametrize("n_classes", [2, 7, 30])
def test_the_temperature_is_the_one_that_scipy_finds(n_classes, scale):
    random = np.random.default_rng(n_classes)
    labels = random.integers(0, n_classes, 300)
    logits = random.normal(size=(300, n_classes))
    logits[np.arange(300), labels] += 1
    logits = (logits * scale).astype(np.float32)
    found = minimize_scalar(
        lambda log_t: cross_entropy(logits.astype(float) / math.exp(log_t), labels),
        bounds=(math.log(0.05), math.log(20)),
        method="bounded",
        options={"xatol": 1e-9},
    )
    assert fit_temperature(logits, labels) == pytest.approx(math.exp(found.x), rel=1e-6)


def test_labels_drawn_from_the_probabilities_need_no_temperature():
    random = np.random.default_rng(5)
    logits = random.normal(size=(20_000, 4)) * 2
    below = softmax(logits).cumsum(axis=1) < random.random((20_000, 1))
    labels = below.sum(axis=1)
    assert fit_temperature(logits, labels) == pytest.approx(1, abs=0.03)
    assert fit_temperature(logits * 3, labels) == pytest.approx(3, abs=0.1)


def test_where_all_are_right_the_range_ends_it():
    logits = np.array([[3.0, 0.0], [0.0, 2.0]])
    assert fit_temperature(logits, np.array([0, 1])) == LEAST_TEMPERATURE
    assert fit_temperature(logits * 1000, np.array([0, 1])) == LEAST_TEMPERATURE


def test_where_logits_say_the_opposite_the_range_ends_it():
    assert fit_temperature(np.array([[3.0, 0.0], [0.0, 2.0]]), np.array([1, 0])) == MOST_TEMPERATURE


def test_equal_logits_leave_the_temperature_alone():
    assert fit_temperature(np.full((2, 3), 5.0), np.array([0, 2])) == 1


def test_adding_a_number_to_all_logits_of_a_photo_changes_nothing():
    random = np.random.default_rng(0)
    logits, labels = random.normal(size=(50, 3)) * 4, random.integers(0, 3, 50)
    moved = logits + random.normal(size=(50, 1)) * 1000
    assert fit_temperature(moved, labels) == pytest.approx(fit_temperature(logits, labels))


@pytest.mark.parametrize(
    ("logits", "labels"),
    [
        (np.zeros(3), np.zeros(3, int)),
        (np.zeros((3, 2)), np.zeros(2, int)),
        (np.zeros((3, 2)), np.full(3, 2)),
        (np.zeros((0, 2)), np.zeros(0, int)),
        (np.array([[0.0, np.nan]]), np.array([0])),
        (np.array([[0.0, np.inf]]), np.array([0])),
    ],
)
def test_what_does_not_fit_is_refused(logits, labels):
    with pytest.raises(ValueError, match=r"must be"):
        fit_temperature(logits, labels)
