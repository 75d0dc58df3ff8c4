"""How good predictions are: accuracy, F1, confusion matrix, ROC."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics as sk

from edgedistill.core.class_indices import Indices, check_indices

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


def micro_average_roc(label_indices: Indices, probabilities: NDArray[np.floating]) -> RocCurve:
    """ROC of all one-against-the-rest decisions taken together, at most 200 points.

    Args:
        label_indices: shape (n,), the true classes.
        probabilities: shape (n, n_classes), in [0, 1]; at least two classes.

    Returns:
        From (0, 0) to (1, 1). The first threshold, infinite by definition, is 1: KFP's dashboard
        draws no infinite one.

    Raises:
        ValueError: shapes do not fit, n is 0, there is one class, or an index is out of range.
    """
    if probabilities.ndim != 2 or probabilities.shape[1] < 2:
        raise ValueError(f"probabilities must be (n, at least 2); got {probabilities.shape}")
    n_classes = probabilities.shape[1]
    check_indices(label_indices, probabilities.argmax(axis=1), n_classes)
    is_class = label_indices[:, np.newaxis] == np.arange(n_classes)
    fpr, tpr, threshold = sk.roc_curve(is_class.ravel(), probabilities.ravel())
    count = min(MAX_ROC_POINTS, len(fpr))
    kept = np.linspace(0, len(fpr) - 1, count).round().astype(np.int64)
    return RocCurve(fpr[kept], tpr[kept], np.minimum(threshold[kept], 1.0))
