"""How often the intervals of macro-F1 and ECE hold the true figure, on test sets that are drawn.

    python -m tests.benchmarks.interval_coverage [--sets 300] [--resamples 400]

Confidence 95 %. Beside ours the plain percentiles of photos drawn again from all together, which
is what is usually done. Macro-F1: test sets with a fixed number of photos in each class, every
class right at its own rate, and wrong in its own ways. ECE: confidences of 0.2 + 0.8 * Beta(3, 1),
each right with a chance that is `of` its confidence; the true error is that of four million photos.

Wanted: at least 85 % everywhere.

Seen on 2026-11-28 (the machine does not matter); the ECE of other than calibrated confidences with
100 sets and 200 resamples (a standard error of 1 to 3 %), the rest with the defaults:

                                                true   ours  width  plain  width
    macro-F1, 5 classes of 40                 0.8698   0.94  0.088   0.95  0.092
    macro-F1, 5 classes of 10                 0.7787   0.91  0.204   0.93  0.219
    macro-F1, 20 classes of 10                0.8214   0.95  0.100   0.95  0.107
    macro-F1, 100 classes of 10               0.7972   0.96  0.047   0.88  0.051
    macro-F1, 200 classes of 5                0.7763   0.91  0.045   0.49  0.055
    ECE, calibrated, 100 photos               0.0003   0.98  0.143   0.00  0.102
    ECE, calibrated, 400 photos               0.0003   0.97  0.072   0.00  0.052
    ECE, calibrated, 2000 photos              0.0003   0.97  0.033   0.00  0.024
    ECE, 0.05 too high, 100 photos            0.0502   0.91  0.160   0.00  0.119
    ECE, 0.05 too high, 400 photos            0.0502   0.92  0.085   0.40  0.065
    ECE, 0.05 too high, 2000 photos           0.0502   0.93  0.036   0.89  0.031
    ECE, 0.15 too high, 100 photos            0.1500   0.99  0.176   0.86  0.148
    ECE, 0.15 too high, 400 photos            0.1500   0.94  0.089   0.94  0.082
    ECE, 0.15 too high, 2000 photos           0.1500   0.96  0.039   0.94  0.038
    ECE, too high and too low, 100 photos     0.0432   0.92  0.142   0.00  0.096
    ECE, too high and too low, 400 photos     0.0432   0.95  0.078   0.11  0.051
"""

import argparse
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import f1_score

from edgedistill.core.bootstrap import ece_interval, macro_f1_interval
from edgedistill.core.reliability import expected_calibration_error

Interval = tuple[float, float]
# Classes, photos of each, and the rates at which they are right, in turn.
CLASSES = [
    (5, 40, (0.9, 0.8, 0.95)),
    (5, 10, (0.9, 0.6)),
    (20, 10, (0.95, 0.7)),
    (100, 10, (0.9, 0.7)),
    (200, 5, (0.8, 0.6, 0.95)),
]
CHANCES: dict[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    "calibrated": lambda c: c,
    "0.05 too high": lambda c: c - 0.05,
    "0.15 too high": lambda c: c - 0.15,
    "too high and too low": lambda c: np.clip(c + 0.08 * np.sin(8 * c), 0, 1),
}
PHOTOS = (100, 400, 2000)


def plain_percentiles(
    figure: Callable[[NDArray[np.int64]], float], n: int, draws: int, random: np.random.Generator
) -> Interval:
    drawn = [figure(random.integers(0, n, n)) for _ in range(draws)]
    low, high = np.quantile(drawn, (0.025, 0.975))
    return float(low), float(high)


def macro_f1(labels: NDArray[np.int64], predicted: NDArray[np.int64], n_classes: int) -> float:
    both = np.bincount(labels, minlength=n_classes) + np.bincount(predicted, minlength=n_classes)
    right = np.bincount(labels[labels == predicted], minlength=n_classes)
    return float((2 * right / np.maximum(both, 1)).mean())


def _macro_f1_of(
    labels: NDArray[np.int64], predicted: NDArray[np.int64], n_classes: int, rows: NDArray[np.int64]
) -> float:
    return macro_f1(labels[rows], predicted[rows], n_classes)


def _ece_of(
    confidence: NDArray[np.float64], correct: NDArray[np.bool_], rows: NDArray[np.int64]
) -> float:
    return expected_calibration_error(confidence[rows], correct[rows])


def macro_f1_cases(sets: int, draws: int) -> Iterator[tuple[str, float, list[Interval]]]:
    """Name, true figure, and for each set our interval and the plain one, in turns."""
    for n_classes, n_each, rates in CLASSES:
        random = np.random.default_rng(1)
        rate = np.resize(rates, n_classes)
        chance = np.zeros((n_classes, n_classes))
        for k in range(n_classes):
            others = np.arange(n_classes) != k
            chance[k, others] = (1 - rate[k]) * random.dirichlet(np.full(n_classes - 1, 0.5))
            chance[k, k] = rate[k]
        true = float((2 * rate / (1 + chance.sum(axis=0))).mean())
        labels = np.repeat(np.arange(n_classes), n_each)
        intervals = []
        for _ in range(sets):
            predicted = np.concatenate([random.choice(n_classes, n_each, p=p) for p in chance])
            intervals += [
                macro_f1_interval(labels, predicted, n_classes, seed=0, n_resamples=draws),
                plain_percentiles(
                    partial(_macro_f1_of, labels, predicted, n_classes), len(labels), draws, random
                ),
            ]  # fmt: skip
        yield f"macro-F1, {n_classes} classes of {n_each}", true, intervals


def photos(of: str, n: int, random: np.random.Generator) -> tuple[NDArray, NDArray]:
    confidence = 0.2 + 0.8 * random.beta(3, 1, n)
    return confidence, random.random(n) < CHANCES[of](confidence)


def ece_cases(sets: int, draws: int) -> Iterator[tuple[str, float, list[Interval]]]:
    for of in CHANCES:
        random = np.random.default_rng(2)
        true = expected_calibration_error(*photos(of, 4_000_000, random))
        for n in PHOTOS:
            intervals = []
            for _ in range(sets):
                confidence, correct = photos(of, n, random)
                intervals += [
                    ece_interval(confidence, correct, seed=0, n_resamples=draws),
                    plain_percentiles(partial(_ece_of, confidence, correct), n, draws, random),
                ]
            yield f"ECE, {of}, {n} photos", true, intervals


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--sets", type=int, default=300)
    parser.add_argument("--resamples", type=int, default=400)
    options = parser.parse_args()
    labels, predicted = np.array([0, 0, 1]), np.array([0, 1, 1])
    assert np.isclose(macro_f1(labels, predicted, 2), f1_score(labels, predicted, average="macro"))
    print(f"{'':40} {'true':>7} {'ours':>6} {'width':>6} {'plain':>6} {'width':>6}")  # noqa: T201
    for cases in (macro_f1_cases, ece_cases):
        for name, true, intervals in cases(options.sets, options.resamples):
            ends = np.array(intervals).reshape(-1, 2, 2)
            held = ((ends[:, :, 0] <= true) & (true <= ends[:, :, 1])).mean(axis=0)
            width = (ends[:, :, 1] - ends[:, :, 0]).mean(axis=0)
            print(  # noqa: T201
                f"{name:40} {true:7.4f} {held[0]:6.2f} {width[0]:6.3f} {held[1]:6.2f} "
                f"{width[1]:6.3f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
