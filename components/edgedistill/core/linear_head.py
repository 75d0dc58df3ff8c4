"""A linear classifier on features: multinomial logistic regression, its strength chosen by data."""

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from edgedistill.core.metrics import cross_entropy

INVERSE_PENALTIES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
"""Inverse strengths of the penalty on the weights (scikit-learn's `C`) that are tried."""

_MAX_ITERATIONS = 300
# Of the gradient's largest entry: nearer to the optimum no validation loss changed in 3 digits.
_TOLERANCE = 1e-3


@dataclass(frozen=True)
class LinearHead:
    """`features @ kernel + bias` are logits: kernel (n_features, n_classes), bias (n_classes,).

    `inverse_penalty` is the one of `INVERSE_PENALTIES` that it was fitted with.
    """

    kernel: NDArray[np.float32]
    bias: NDArray[np.float32]
    inverse_penalty: float

    def logits(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Shape (n, n_classes), of features of shape (n, n_features)."""
        return features @ self.kernel + self.bias


def fit_linear_head(
    features: NDArray[np.float32],
    label_indices: NDArray[np.int64],
    photo_weights: NDArray[np.float32],
    n_classes: int,
    *,
    validation_features: NDArray[np.float32],
    validation_labels: NDArray[np.int64],
) -> LinearHead:
    """Fits a head with each penalty and keeps that of the lowest validation cross entropy.

    Args:
        features: shape (n, n_features).
        label_indices: shape (n,), in [0, n_classes); at least two classes. One that does not occur
            gets a kernel of 0 and the lowest bias.
        photo_weights: shape (n,), factor of each photo in the loss, above 0.
        n_classes: number of logits.
        validation_features: shape (m, n_features).
        validation_labels: shape (m,).

    The same inputs give the same bytes with any number of threads.

    Raises:
        ValueError: the labels are of one class alone.
    """
    # One thread: the last bits of BLAS depend on their number, which follows the machine.
    with threadpool_limits(1, user_api="blas"):
        heads = (
            _fit(features, label_indices, photo_weights, n_classes, inverse_penalty)
            for inverse_penalty in INVERSE_PENALTIES
        )
        return min(
            heads, key=lambda h: cross_entropy(h.logits(validation_features), validation_labels)
        )


def _fit(
    features: NDArray[np.float32],
    label_indices: NDArray[np.int64],
    photo_weights: NDArray[np.float32],
    n_classes: int,
    inverse_penalty: float,
) -> LinearHead:
    model = LogisticRegression(C=inverse_penalty, max_iter=_MAX_ITERATIONS, tol=_TOLERANCE)
    with warnings.catch_warnings():
        # With hardly any penalty separable features have no optimum; the head serves all the same.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(features, label_indices, sample_weight=photo_weights)
    weights, biases = model.coef_, model.intercept_
    if len(weights) == 1:  # of two classes scikit-learn keeps the difference alone
        weights, biases = np.concatenate([-weights, weights]) / 2, np.array([-1, 1]) * biases / 2
    kernel = np.zeros((features.shape[1], n_classes), np.float32)
    bias = np.full(n_classes, biases.min(), np.float32)
    kernel[:, model.classes_] = weights.T
    bias[model.classes_] = biases
    return LinearHead(kernel, bias, inverse_penalty)
