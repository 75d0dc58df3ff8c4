"""How good predictions are: accuracy, F1, which classes are confused, ROC."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics as sk

from edgedistill.core.class_indices import Indices, check_indices
from edgedistill.core.reliability import check_confidence

MAX_ROC_POINTS = 200
"""KFP's dashboard draws every point; more are not seen."""


@dataclass(frozen=True)
class ClassScore:
    """Precision, recall and F1 of one class, in [0, 1], and its number of photos."""

    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class Scores:
    """Top-1 accuracy, the plain means over classes, and each class by itself."""

    top1: float
    macro_precision: float
    macro_recall: float
    macro_f1: float
    per_class: tuple[ClassScore, ...]


@dataclass(frozen=True)
class RocCurve:
    """A ROC curve, three arrays of shape (n_points,); the thresholds fall or stay."""

    false_positive_rate: NDArray[np.float64]
    true_positive_rate: NDArray[np.float64]
    threshold: NDArray[np.float64]


def classification_scores(
    label_indices: Indices, predicted_indices: Indices, n_classes: int
) -> Scores:
    """Scores of hard predictions; a quotient by zero counts as 0.

    Args:
        label_indices: shape (n,), the true classes.
        predicted_indices: shape (n,).
        n_classes: all classes count in the means, those without photos too.

    Raises:
        ValueError: shapes differ, n is 0, or an index is not in [0, n_classes).
    """
    check_indices(label_indices, predicted_indices, n_classes)
    precision, recall, f1, support = sk.precision_recall_fscore_support(
        label_indices, predicted_indices, labels=np.arange(n_classes), zero_division=0
    )
    return Scores(
        top1=float(np.mean(label_indices == predicted_indices)),
        macro_precision=float(precision.mean()),
        macro_recall=float(recall.mean()),
        macro_f1=float(f1.mean()),
        per_class=tuple(
            ClassScore(float(p), float(r), float(f), int(n))
            for p, r, f, n in zip(precision, recall, f1, support, strict=True)
        ),
    )


def confusion_matrix(
    label_indices: Indices, predicted_indices: Indices, n_classes: int
) -> NDArray[np.int64]:
    """Counts of photos by true class (row) and predicted class (column).

    Args:
        label_indices: shape (n,), the true classes.
        predicted_indices: shape (n,).
        n_classes: side of the matrix.

    Returns:
        Shape (n_classes, n_classes).

    Raises:
        ValueError: shapes differ, n is 0, or an index is not in [0, n_classes).
    """
    check_indices(label_indices, predicted_indices, n_classes)
    matrix = sk.confusion_matrix(label_indices, predicted_indices, labels=np.arange(n_classes))
    return np.asarray(matrix, np.int64)


def correctness_roc(confidence: NDArray[np.floating], correct: NDArray[np.bool_]) -> RocCurve:
    """ROC of the question "is this answer right?", decided by its confidence; at most 200 points.

    A positive is a photo that the model got right: `true_positive_rate` is the share of right
    answers with a confidence of at least the threshold, `false_positive_rate` that of wrong ones.

    Args:
        confidence: shape (n,), top-1 probability of each photo, in [0, 1].
        correct: shape (n,), whether the top-1 class was the true one.

    Returns:
        From (0, 0) to (1, 1). The first threshold, infinite by definition, is 1: KFP's dashboard
        draws no infinite one. Without a wrong answer there is none to let through: up from (0, 0)
        to (0, 1), then across to (1, 1), as where confidence tells all. Without a right answer
        across to (1, 0), then up. The thresholds are then 1, the least confidence, and 0.

    Raises:
        ValueError: shapes differ, n is 0, or a confidence lies outside [0, 1].
    """
    check_confidence(confidence, correct)
    if correct.all() or not correct.any():
        threshold = np.array([1.0, float(confidence.min()), 0.0])
        waits, goes_first = np.array([0.0, 0.0, 1.0]), np.array([0.0, 1.0, 1.0])
        if correct.all():
            return RocCurve(waits, goes_first, threshold)
        return RocCurve(goes_first, waits, threshold)
    return _thinned(*sk.roc_curve(correct, confidence))


def shown_confusion(
    matrix: NDArray[np.int64], label_names: Sequence[str], *, most: int = 40
) -> tuple[list[str], NDArray[np.int64]]:
    """The confusion matrix with few enough classes to be looked at; no photo is left out.

    Args:
        matrix: shape (n_classes, n_classes), true classes in rows.
        label_names: of the classes.
        most: most classes to show, at least 2.

    Returns:
        Names and matrix: as given where there are at most `most` classes; else the `most` - 1 with
        most errors (photos of theirs taken for others, and others for them), in their own order,
        and "other" with the sums of the rest ("all other" where a class shown has that name).

    Raises:
        ValueError: the matrix is not square, names do not fit it, or `most` is below 2.
    """
    _check_matrix(matrix)
    n_classes = len(matrix)
    if len(label_names) != n_classes or most < 2:
        raise ValueError(
            f"label_names must be {n_classes} and most at least 2; got {len(label_names)}, {most}"
        )
    if n_classes <= most:
        return list(label_names), matrix.copy()
    errors = matrix.sum(axis=0) + matrix.sum(axis=1) - 2 * matrix.diagonal()
    shown = np.sort(np.argsort(-errors, kind="stable")[: most - 1])
    place = np.full(n_classes, most - 1)
    place[shown] = np.arange(most - 1)
    summed = np.zeros((most, most), np.int64)
    np.add.at(summed, (place[:, np.newaxis], place[np.newaxis, :]), matrix)
    names = [label_names[k] for k in shown]
    return [*names, "all other" if "other" in names else "other"], summed


def confused_pairs(matrix: NDArray[np.int64], *, most: int = 20) -> list[tuple[int, int, int]]:
    """Which class is taken for which, and how often; most often first.

    Args:
        matrix: shape (n_classes, n_classes), true classes in rows.
        most: most pairs to give.

    Returns:
        (true_index, predicted_index, count) of pairs that occur; equals in the matrix's order.

    Raises:
        ValueError: the matrix is not square.
    """
    _check_matrix(matrix)
    errors = matrix - np.diag(matrix.diagonal())
    true_index, predicted_index = np.nonzero(errors)
    count = errors[true_index, predicted_index]
    order = np.argsort(-count, kind="stable")[:most]
    columns = (true_index[order], predicted_index[order], count[order])
    return list(zip(*(column.tolist() for column in columns), strict=True))


def _thinned(
    fpr: NDArray[np.float64], tpr: NDArray[np.float64], threshold: NDArray[np.float64]
) -> RocCurve:
    """At most 200 points, the ends among them, and the infinite first threshold made 1."""
    count = min(MAX_ROC_POINTS, len(fpr))
    kept = np.linspace(0, len(fpr) - 1, count).round().astype(np.int64)
    return RocCurve(fpr[kept], tpr[kept], np.minimum(threshold[kept], 1.0))


def _check_matrix(matrix: NDArray[np.int64]) -> None:
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"matrix must be (n_classes, n_classes); got {matrix.shape}")
