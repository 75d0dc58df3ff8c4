import numpy as np
import pytest
import scipy.special
from sklearn.metrics import log_loss

from edgedistill.core.probabilities import cross_entropy, softmax


def test_softmax_of_logarithms_gives_their_shares():
    # exp(log 1), exp(log 2), exp(log 5) are 1, 2, 5 of 8.
    np.testing.assert_allclose(softmax(np.log([[1.0, 2.0, 5.0]])), [[1 / 8, 2 / 8, 5 / 8]])


def test_softmax_of_large_logits_does_not_overflow():
    logits = np.array([[1000.0, 999.0], [-1000.0, -1000.0]], np.float32)
    # exp(-1) = 0.3679: 1 / 1.3679 = 0.7311.
    np.testing.assert_allclose(softmax(logits), [[0.7311, 0.2689], [0.5, 0.5]], atol=5e-5)


def test_softmax_of_float32_is_as_exact_as_of_float64():
    logits = np.random.default_rng(11).normal(size=(400, 7)).astype(np.float32)
    expected = scipy.special.softmax(logits.astype(np.float64), axis=1)
    np.testing.assert_allclose(softmax(logits), expected, rtol=1e-12)


@pytest.mark.parametrize("odd", [np.nan, np.inf])
def test_softmax_refuses_what_is_not_finite(odd):
    with pytest.raises(ValueError, match="finite"):
        softmax(np.array([0.0, odd]))


def test_the_cross_entropy_is_the_log_loss_of_scikit_learn():
    random = np.random.default_rng(3)
    logits, labels = random.normal(size=(200, 5)) * 3, random.integers(0, 5, 200)
    expected = log_loss(labels, softmax(logits))
    assert cross_entropy(logits, labels) == pytest.approx(expected, rel=1e-12)


def test_a_sure_mistake_costs_its_whole_logit():
    # -log(softmax) of the second is log(1 + exp(1000)) = 1000, of the first nothing; mean 500.
    assert cross_entropy(np.array([[1000.0, 0.0]] * 2), np.array([0, 1])) == pytest.approx(500)
