"""The head on features: against the optimum's own condition, not against its program."""

import os
import subprocess
import sys

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression

from edgedistill.core.linear_head import INVERSE_PENALTIES, fit_linear_head
from edgedistill.core.probabilities import cross_entropy


def clouds(n: int, seed: int, n_classes: int = 3, spread: float = 0.8):
    """Photos' features: a cloud around a corner for each class."""
    draw = np.random.default_rng(seed)
    labels = np.arange(n) % n_classes
    features = np.eye(n_classes, 6)[labels] + draw.normal(0, spread, (n, 6))
    return features.astype(np.float32), labels


def fitted(n_classes: int = 3, weights=None):
    features, labels = clouds(300, 0, n_classes)
    val_features, val_labels = clouds(90, 1, n_classes)
    weights = np.ones(300, np.float32) if weights is None else weights
    head = fit_linear_head(
        features, labels, weights, n_classes,
        validation_features=val_features, validation_labels=val_labels,
    )  # fmt: skip
    return head, features, labels, (val_features, val_labels)


@pytest.mark.parametrize("n_classes", [2, 3, 60])
def test_the_gradient_of_the_penalised_loss_is_zero_where_the_head_ends(n_classes):
    weights = np.where(np.arange(300) % n_classes == 0, 3.0, 0.5).astype(np.float32)
    head, features, labels, _ = fitted(n_classes, weights)
    wrong = softmax(head.logits(features).astype(float), axis=1) - np.eye(n_classes)[labels]
    pull = features.T @ (weights[:, None] * wrong)
    kernel = head.kernel.astype(float)
    # Two classes are fitted as one difference w, penalised by w^2: as halves ±w/2, twice that.
    penalty = kernel / head.inverse_penalty * (2 if n_classes == 2 else 1)
    assert np.abs(pull + penalty).max() < 1e-3 / n_classes * np.abs(weights).sum()
    # Twice as far: the biases' gradient is a plain sum in float32, whose order the processor chose.
    assert np.abs((weights[:, None] * wrong).sum(axis=0)).max() < 2e-3 / n_classes * weights.sum()


def test_of_all_penalties_the_one_with_the_lowest_validation_loss_is_kept():
    head, _, _, (val_features, val_labels) = fitted()
    assert head.inverse_penalty in INVERSE_PENALTIES[:-1]  # clouds that overlap want a penalty
    kept = cross_entropy(head.logits(val_features), val_labels)
    # Doubled and halved logits are what a weaker and a stronger penalty would give.
    for factor in (0.5, 2.0):
        assert cross_entropy(factor * head.logits(val_features), val_labels) > kept
    assert np.mean(head.logits(val_features).argmax(axis=1) == val_labels) > 0.6


def test_each_penalty_starts_where_the_stronger_one_before_it_ended(monkeypatch):
    features, labels = clouds(300, 0)
    n_iterations = []
    kept = LogisticRegression.fit

    def counted(model, *photos, **weights):
        kept(model, *photos, **weights)
        n_iterations.append(int(model.n_iter_.max()))

    monkeypatch.setattr(LogisticRegression, "fit", counted)
    fitted()
    from_zero = []
    for inverse_penalty in INVERSE_PENALTIES:
        alone = LogisticRegression(C=inverse_penalty, max_iter=300, tol=1e-3 / 3)
        kept(alone, features, labels)
        from_zero.append(int(alone.n_iter_.max()))
    assert n_iterations[0] == from_zero[0]
    assert sum(n_iterations) < 0.9 * sum(from_zero)


def test_a_class_without_photos_is_the_last_to_be_chosen():
    features, labels = clouds(200, 0, 3)
    head = fit_linear_head(
        features, labels, np.ones(200, np.float32), 5,
        validation_features=features, validation_labels=labels,
    )  # fmt: skip
    assert head.kernel.shape == (6, 5)
    assert (head.kernel[:, 3:] == 0).all()
    assert (head.bias[3:] == head.bias.min()).all()


def test_a_photo_of_twice_the_weight_counts_as_two():
    features, labels = clouds(60, 2)
    weights = np.ones(60, np.float32)
    weights[:20] = 2
    doubled = np.concatenate([np.arange(60), np.arange(20)])
    heads = [
        fit_linear_head(
            x, y, w, 3, validation_features=features, validation_labels=labels
        )
        for x, y, w in (
            (features, labels, weights),
            (features[doubled], labels[doubled], np.ones(80, np.float32)),
        )
    ]  # fmt: skip
    np.testing.assert_allclose(heads[0].kernel, heads[1].kernel, atol=5e-3)


BYTES_OF_A_HEAD = """
import hashlib
import numpy as np
from edgedistill.core.linear_head import fit_linear_head
draw = np.random.default_rng(0)
labels = np.arange(600) % 5
features = (np.eye(5, 640)[labels] + draw.normal(0, 0.5, (600, 640))).astype(np.float32)
head = fit_linear_head(
    features, labels, np.ones(600, np.float32), 5,
    validation_features=features[:100], validation_labels=labels[:100],
)
print(hashlib.sha256(head.kernel.tobytes() + head.bias.tobytes()).hexdigest())
"""


def test_no_number_of_threads_changes_a_byte():
    digests = set()
    for threads in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", BYTES_OF_A_HEAD], capture_output=True, text=True, check=True,
            env={**os.environ, "OPENBLAS_NUM_THREADS": threads, "OMP_NUM_THREADS": threads},
        )  # fmt: skip
        digests.add(done.stdout)
    assert len(digests) == 1
