import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import mannwhitneyu

from edgedistill.core.unknown_scores import (
    SCORES,
    energy,
    known_auroc,
    max_logit,
    max_probability,
    threshold_accepting,
)

LOGITS = np.log(np.array([[1.0, 3.0], [8.0, 2.0]]))


def test_each_score_is_its_formula():
    np.testing.assert_allclose(max_probability(LOGITS), [0.75, 0.8])
    np.testing.assert_allclose(max_logit(LOGITS), np.log([3, 8]))
    np.testing.assert_allclose(energy(LOGITS), np.log([4, 10]))  # of the sums 1 + 3 and 8 + 2


def test_energy_is_scipys_also_where_powers_overflow():
    logits = np.array([[1000.0, 999.0], [-1000.0, -1001.0], [0.0, 0.0]], np.float32)
    np.testing.assert_allclose(energy(logits), logsumexp(logits.astype(np.float64), axis=1))


def test_energy_tells_what_the_probability_cannot():
    # Both are as sure in proportion; the second is unlike all classes.
    logits = np.array([[5.0, 1.0], [1.0, -3.0]])
    assert max_probability(logits)[0] == pytest.approx(max_probability(logits)[1])
    assert energy(logits)[0] > energy(logits)[1]


def test_the_area_counts_pairs_and_half_of_ties():
    # Known 2 and 3 against unknown 1 and 2: 3 > 1, 3 > 2, 2 > 1 and a tie: 3.5 of 4.
    assert known_auroc(np.array([2.0, 3.0]), np.array([1.0, 2.0])) == 3.5 / 4


def test_the_area_is_that_of_the_rank_sum_test():
    random = np.random.default_rng(0)
    known, unknown = random.normal(1, 1, 70), random.normal(0, 1, 30)
    expected = mannwhitneyu(known, unknown).statistic / (70 * 30)
    assert known_auroc(known, unknown) == pytest.approx(expected)


def test_the_threshold_lies_between_the_last_accepted_and_the_first_rejected():
    # 19 of 20 are 95 %: only 0 is left out.
    scores = np.arange(20.0)
    assert threshold_accepting(scores) == 0.5
    # Of 19, 18 are too few: all are accepted, and the lowest is the threshold.
    assert threshold_accepting(scores[1:]) == 1.0
    # Equal scores go together.
    assert threshold_accepting(np.array([3.0, 3.0, 3.0, 1.0]), 0.5) == 2.0


@pytest.mark.parametrize("share", [0.07, 0.5, 0.95, 1.0])
def test_at_least_that_share_is_accepted_and_no_higher_score_would_do(share):
    random = np.random.default_rng(1)
    for n in (1, 3, 100, 137):
        scores = random.integers(0, 40, n) / 4
        accepted = scores[scores >= threshold_accepting(scores, share)]
        assert len(accepted) >= share * n - 1e-9
        assert (scores > accepted.min()).sum() < share * n - 1e-9


def test_the_first_score_is_the_confidence():
    assert list(SCORES) == ["max_probability", "max_logit", "energy"]


@pytest.mark.parametrize(
    "call",
    [
        lambda: known_auroc(np.array([]), np.array([1.0])),
        lambda: known_auroc(np.array([1.0]), np.array([])),
    ],
)
def test_photos_of_one_kind_alone_are_refused(call):
    with pytest.raises(ValueError, match="must have photos"):
        call()


@pytest.mark.parametrize(("scores", "share"), [([], 0.5), ([1.0], 0.0), ([1.0], 1.1)])
def test_a_share_of_nothing_is_refused(scores, share):
    with pytest.raises(ValueError, match="must be in"):
        threshold_accepting(np.array(scores), share)
