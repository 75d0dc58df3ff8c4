import numpy as np
import pytest

from edgedistill.core.label_errors import label_suspects

# Class 0: self-confidences 0.9, 0.8, 0.1: threshold 0.6. Class 1: 0.7, 0.5, 0.3: threshold 0.5.
PROBABILITIES = np.array(
    [[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.3, 0.7], [0.5, 0.5], [0.7, 0.3]], np.float64
)
LABELS = np.array([0, 0, 0, 1, 1, 1])


def test_suspects_are_ranked_by_how_much_likelier_the_other_class_is():
    suspects = label_suspects(PROBABILITIES, LABELS)
    # Photo 2: 1 with 0.9 >= 0.5, against 0.1: 0.8. Photo 5: 0 with 0.7 >= 0.6, against 0.3: 0.4.
    assert suspects.rows.tolist() == [2, 5]
    assert suspects.suggested.tolist() == [1, 0]


def test_a_likelier_class_that_stays_below_its_own_threshold_contradicts_nothing():
    # Class 0 is mostly sure: threshold (0.99 + 0.97) / 2 = 0.98. Photo 2 is given to it by 0.9.
    probabilities = np.array([[0.99, 0.01], [0.97, 0.03], [0.9, 0.1], [0.2, 0.8]])
    suspects = label_suspects(probabilities, np.array([0, 0, 1, 1]))
    assert suspects.rows.tolist() == []
    assert suspects.suggested.dtype == np.int64


def test_a_label_that_is_as_likely_as_its_class_mostly_is_stays_unsuspected():
    # Class 1 is never sure: threshold (0.4 + 0.4) / 2 = 0.4, which photo 1 reaches.
    probabilities = np.array([[0.5, 0.5], [0.6, 0.4], [0.6, 0.4]])
    assert label_suspects(probabilities, np.array([0, 1, 1])).rows.tolist() == []


def test_a_class_without_photos_is_never_suggested():
    probabilities = np.array([[0.1, 0.0, 0.9], [0.9, 0.0, 0.1], [0.1, 0.9, 0.0]])
    assert label_suspects(probabilities, np.array([0, 0, 1])).rows.tolist() == []


def test_equally_contradicted_photos_keep_their_order():
    # Class 0: (60 * 0.95 + 40 * 0.1) / 100 = 0.61; class 1 is sure by 0.85.
    contradicted = np.arange(100) % 5 < 2
    p = np.append(np.where(contradicted, 0.1, 0.95), 0.15)
    suspects = label_suspects(np.stack([p, 1 - p], axis=1), np.append(np.zeros(100, int), 1))
    assert suspects.rows.tolist() == np.flatnonzero(contradicted).tolist()


def test_the_rule_is_that_of_a_plain_loop():
    random = np.random.default_rng(8)
    labels = random.integers(0, 5, 500)
    probabilities = random.dirichlet(np.full(5, 0.3), 500)
    threshold = [probabilities[labels == k, k].mean() for k in range(5)]
    expected = []
    for row, (p, label) in enumerate(zip(probabilities, labels, strict=True)):
        other = max(range(5), key=lambda k: p[k])
        if other != label and p[other] >= threshold[other] and p[label] < threshold[label]:
            expected.append((p[label] - p[other], row, other))
    suspects = label_suspects(probabilities, labels)
    assert len(expected) > 50
    found = list(zip(suspects.rows.tolist(), suspects.suggested.tolist(), strict=True))
    assert found == [(row, other) for _, row, other in sorted(expected)]


def test_labels_that_were_changed_are_found_again():
    random = np.random.default_rng(4)
    true = random.integers(0, 4, 400)
    logits = random.normal(size=(400, 4))
    logits[np.arange(400), true] += 5
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = true.copy()
    labels[:20] = (true[:20] + 1) % 4
    suspects = label_suspects(probabilities, labels)
    # Every suspect was changed. Not every changed photo is found: a threshold is a mean, and some
    # photos of each class lie below it.
    assert set(suspects.rows.tolist()) <= set(range(20))
    assert len(suspects.rows) >= 15
    assert (suspects.suggested == true[suspects.rows]).all()


@pytest.mark.parametrize(
    ("probabilities", "labels"),
    [
        (np.zeros(3), np.zeros(3, int)),
        (np.zeros((3, 2)), np.zeros(2, int)),
        (np.zeros((3, 2)), np.full(3, 2)),
        (np.zeros((0, 2)), np.zeros(0, int)),
        (np.array([[1.1, 0.0]]), np.array([0])),
        (np.array([[np.nan, 0.0]]), np.array([0])),
    ],
)
def test_what_does_not_fit_is_refused(probabilities, labels):
    with pytest.raises(ValueError, match=r"must"):
        label_suspects(probabilities, labels)
