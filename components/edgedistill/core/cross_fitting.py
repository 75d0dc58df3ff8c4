"""What a head says of photos that it was not fitted on: one head for each fold of them."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from edgedistill.core.linear_head import LinearHead, fit_penalised_head
from edgedistill.core.probabilities import softmax

N_FOLDS = 5


def group_folds(
    groups: Sequence[str], label_indices: NDArray[np.int64], *, seed: int, n_folds: int = N_FOLDS
) -> NDArray[np.int64]:
    """The fold of each photo, shape (n,), in [0, n_folds): groups whole, classes spread evenly.

    The largest group comes first, and each goes to the fold that has the fewest photos of the
    class that most of the group are of; on a tie to the one with the fewest photos.

    Args:
        groups: of each photo, "" for a photo alone.
        label_indices: shape (n,).
        seed: start of the order in which groups of one size are taken.
        n_folds: with fewer groups than that, some folds are empty.
    """
    counts: dict[int, list[int]] = defaultdict(lambda: [0] * n_folds)
    sizes = [0] * n_folds
    folds = np.empty(len(groups), np.int64)
    labels = label_indices.tolist()
    for rows in _largest_first(groups, seed):
        of_group = [labels[row] for row in rows]
        of_class = counts[max(of_group, key=of_group.count)]
        fold = min(zip(of_class, sizes, range(n_folds), strict=True))[-1]
        folds[rows] = fold
        sizes[fold] += len(rows)
        for label in of_group:
            counts[label][fold] += 1
    return folds


def _largest_first(groups: Sequence[str], seed: int) -> list[list[int]]:
    """The rows of each group; those of one size in random order."""
    together: dict[str | int, list[int]] = defaultdict(list)
    for row in np.random.default_rng(seed).permutation(len(groups)).tolist():
        together[groups[row] or row].append(row)
    return sorted(together.values(), key=len, reverse=True)


@dataclass(frozen=True)
class CrossFittedHeads:
    """A head for each fold, fitted on the photos of all other folds.

    None stands where those are not of two classes at least: nothing can be learned from them.
    """

    heads: tuple[LinearHead | None, ...]
    n_classes: int

    def probabilities(
        self, features: NDArray[np.float32], folds: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Of each class for each photo, shape (n, n_classes), by the head of the photo's fold.

        Where there is no head, all classes are equally probable.

        Args:
            features: shape (n, n_features); of photos that were fitted on, or others.
            folds: shape (n,), which head is to judge a photo.
        """
        found = np.full((len(features), self.n_classes), 1 / self.n_classes, np.float32)
        with threadpool_limits(1, user_api="blas"):  # see linear_head
            for fold, head in enumerate(self.heads):
                rows = np.flatnonzero(folds == fold)
                if head is not None and len(rows):
                    found[rows] = softmax(head.logits(features[rows]))
        return found


def cross_fit(
    features: NDArray[np.float32],
    label_indices: NDArray[np.int64],
    photo_weights: NDArray[np.float32],
    n_classes: int,
    folds: NDArray[np.int64],
    *,
    inverse_penalty: float,
    n_folds: int = N_FOLDS,
) -> CrossFittedHeads:
    """Fits a head for each fold on all photos but the fold's own.

    Args:
        features: shape (n, n_features).
        label_indices: shape (n,), in [0, n_classes).
        photo_weights: shape (n,), factor of each photo in the loss, above 0.
        n_classes: number of logits.
        folds: shape (n,), as `group_folds` gives them.
        inverse_penalty: of the weights, one for all heads (`LinearHead.inverse_penalty`).
        n_folds: number of heads.

    The same inputs give the same bytes with any number of threads. A head takes about as long as
    one of the penalties that `fit_linear_head` tries.
    """

    def fit(others: NDArray[np.int64]) -> LinearHead | None:
        if len(np.unique(label_indices[others])) < 2:
            return None
        return fit_penalised_head(
            features[others], label_indices[others], photo_weights[others], n_classes,
            inverse_penalty=inverse_penalty,
        )  # fmt: skip

    rest: Iterable[NDArray[np.int64]] = (np.flatnonzero(folds != k) for k in range(n_folds))
    return CrossFittedHeads(tuple(map(fit, rest)), n_classes)
