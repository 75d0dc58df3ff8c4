# ruff: noqa: T201
"""How often a promised threshold keeps its promise, over 1,000 draws of photos from known pools.

    python -m tests.benchmarks.threshold_promise [--predictions FOLDER] [--draws 1000]

Each draw takes photos to choose the threshold on and as many to test it on, both from one pool
with replacement, so that the pool's own accept accuracy is the truth. Wanted: 0.95 right at 0.95
confidence. A folder that the step evaluate wrote may be the pool.

- made: draws in which a threshold is promised (`guaranteed_threshold`); (top): the same if testing
  began as soon as 59 photos are accepted, not at a quarter of all; answers: mean coverage of what
  is promised.
- unbroken: draws without a false promise, nominally at least 0.95; kept: promises of which the
  pool says that they are true; test: those whose target the test half reaches too, which is a coin
  toss where the truth lies at the target.
- plain, test: the same of the plain rule, in draws in which it finds a threshold for its wishes.
- bound: draws in which the plain rule's corrected lower bound is true, nominally at least 0.95;
  naive: the bound that is not corrected for the choice, which is short of it in some pools.

Seen on 28 November 2026, NumPy 2.4, three minutes on two cores:

    pool           photos   made  (top)  answers  unbroken   kept   test  plain   test  bound  naive
    sharp             150  0.484  0.484    0.514     0.987  0.973  0.911  0.370  0.421  1.000  0.941
    sharp             500  0.960  0.946    0.581     0.972  0.971  0.923  0.450  0.512  0.998  0.952
    sharp            2000  1.000  1.000    0.692     0.950  0.950  0.912  0.489  0.531  0.999  0.945
    overconfident     150  0.131  0.131    0.507     0.990  0.924  0.786  0.218  0.370  0.999  0.953
    overconfident     500  0.335  0.334    0.496     0.976  0.928  0.851  0.348  0.414  1.000  0.957
    overconfident    2000  0.916  0.916    0.556     0.974  0.972  0.915  0.563  0.535  0.998  0.947
    smoothed          150  0.557  0.557    0.649     0.986  0.975  0.932  0.440  0.562  1.000  0.960
    smoothed          500  0.862  0.540    0.832     0.962  0.956  0.918  0.471  0.595  1.000  0.965
    smoothed         2000  1.000  0.660    0.932     0.954  0.954  0.887  0.467  0.545  1.000  0.963
    just missed       150  0.037  0.037    0.539     0.963  0.000  0.541  0.000  0.491  1.000  0.946
    just missed       500  0.029  0.023    0.409     0.971  0.000  0.552  0.000  0.519  1.000  0.948
    just missed      2000  0.022  0.027    0.452     0.978  0.000  0.364  0.000  0.396  0.999  0.948
    surely mistaken   150  0.103  0.103    0.623     0.990  0.903  0.709  0.398  0.465  1.000  0.961
    surely mistaken   500  0.051  0.006    0.609     0.984  0.686  0.490  0.467  0.493  0.999  0.934
    surely mistaken  2000  0.045  0.000    0.691     0.980  0.556  0.600  0.521  0.562  1.000  0.948
    digits            150  0.425  0.425    0.743     0.984  0.962  0.896  0.527  0.496  1.000  0.953
    digits            500  0.946  0.946    0.793     0.972  0.970  0.907  0.559  0.503  1.000  0.946
    digits           2000  1.000  1.000    0.854     0.987  0.987  0.939  0.658  0.606  0.999  0.950

So 0.950 to 0.990 of the draws have no false promise, whatever the pool, where the plain rule's own
promise is false in every second one. Where A rises as the threshold falls ("surely mistaken") the
promise is seldom made, and no more often false. "kept" has no nominal rate: where hardly a promise
is due, those that are made are made by luck ("just missed": all are false, but there are few).
"""

import argparse
import csv
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from edgedistill.core.bounds import exact_lower_bound
from edgedistill.core.guarantee import START_SHARE, guaranteed_threshold, selected_lower_bound
from edgedistill.core.probabilities import softmax
from edgedistill.core.threshold import (
    CONSTRAINT_FEASIBLE,
    ThresholdCurve,
    recommend_threshold,
    threshold_curve,
)

TARGET, MIN_COVERAGE, PENALTY = 0.95, 0.6, 3.0
N_POOL = 100_000
SIZES = (150, 500, 2000)


@dataclass(frozen=True)
class Pool:
    """All photos of a kind: how sure the network is of each, and whether it is right."""

    confidence: NDArray[np.float64]
    correct: NDArray[np.bool_]

    def draw(self, random: np.random.Generator, n_photos: int) -> ThresholdCurve:
        """The curve of photos that are drawn with replacement: the pool's shares are the truth."""
        rows = random.integers(0, len(self.correct), n_photos)
        return threshold_curve(self.confidence[rows], self.correct[rows])


@dataclass
class Tally:
    """What came of the draws, one entry a draw."""

    promised: list[bool] = field(default_factory=list)
    promised_from_the_top: list[bool] = field(default_factory=list)
    kept: list[bool] = field(default_factory=list)
    kept_on_test: list[bool] = field(default_factory=list)
    coverage: list[float] = field(default_factory=list)
    plain_kept: list[bool] = field(default_factory=list)
    plain_kept_on_test: list[bool] = field(default_factory=list)
    bound_holds: list[bool] = field(default_factory=list)
    naive_bound_holds: list[bool] = field(default_factory=list)

    def shares(self) -> list[float]:
        """In the table's order: a promise that is not made is not broken."""
        broken = np.size(self.kept) - np.sum(self.kept)
        made = sum(self.promised)
        return [
            made / len(self.promised),
            float(np.mean(self.promised_from_the_top)),
            float(np.mean(self.coverage)) if made else np.nan,
            1 - broken / len(self.promised),
            float(np.mean(self.kept)) if made else np.nan,
            float(np.mean(self.kept_on_test)) if made else np.nan,
            float(np.mean(self.plain_kept)) if self.plain_kept else np.nan,
            float(np.mean(self.plain_kept_on_test)) if self.plain_kept else np.nan,
            float(np.mean(self.bound_holds)),
            float(np.mean(self.naive_bound_holds)),
        ]


def sharp(random: np.random.Generator) -> Pool:
    """Confidences that gather at 1 and are the chance of being right."""
    confidence = 1 - 0.75 * random.beta(0.5, 3, N_POOL)
    return Pool(confidence, random.random(N_POOL) < confidence)


def overconfident(random: np.random.Generator) -> Pool:
    """The same, surer than right."""
    confidence = 1 - 0.75 * random.beta(0.4, 3, N_POOL)
    return Pool(confidence, random.random(N_POOL) < 0.98 - 1.2 * (1 - confidence))


def smoothed(random: np.random.Generator) -> Pool:
    """Confidences that gather near 0.9, as after label smoothing."""
    confidence = np.clip(random.beta(12, 2, N_POOL), 0.2, 1)
    right = np.clip(0.5 + 0.5 * (confidence - 0.3) / 0.6, 0, 0.99)
    return Pool(confidence, random.random(N_POOL) < right)


def just_missed(random: np.random.Generator) -> Pool:
    """0.949 right whatever the confidence: every promise of 0.95 is false."""
    confidence = 1 - 0.75 * random.beta(0.5, 3, N_POOL)
    return Pool(confidence, random.random(N_POOL) < 0.949)


def surely_mistaken(random: np.random.Generator) -> Pool:
    """Not monotone: of the surest tenth 0.90 are right, of the next six tenths 0.98, then 0.80.

    From 0.90 on less than 0.95 are right, from some lower threshold on more, and then less again.
    """
    rank = random.random(N_POOL)
    right = np.where(rank > 0.9, 0.90, np.where(rank > 0.3, 0.98, 0.80))
    return Pool(rank, random.random(N_POOL) < right)


def digits(random: np.random.Generator) -> Pool:
    """A real classifier: logistic regression of 300 small pictures of digits, on the other 1,497.

    The pictures are made noisy, so that it errs.
    """
    data = load_digits()
    pixels = data.data + random.normal(0, 2, data.data.shape)
    order = random.permutation(len(pixels))
    trained, rest = order[:300], order[300:]
    model = LogisticRegression(max_iter=2000).fit(pixels[trained], data.target[trained])
    return _pool(model.decision_function(pixels[rest]), data.target[rest])


POOLS: dict[str, Callable[[np.random.Generator], Pool]] = {
    "sharp": sharp,
    "overconfident": overconfident,
    "smoothed": smoothed,
    "just missed": just_missed,
    "surely mistaken": surely_mistaken,
    "digits": digits,
}


def predictions(folder: Path) -> Pool:
    """What the step evaluate wrote: the file's answers to the test photos."""
    with (folder / "predictions.csv").open(encoding="utf-8", newline="") as file:
        labels = np.array([int(row["label_index"]) for row in csv.DictReader(file)])
    return _pool(np.load(folder / "logits.npy"), labels)


def _pool(logits: NDArray[np.floating], labels: NDArray[np.integer]) -> Pool:
    probabilities = softmax(logits)
    return Pool(probabilities.max(axis=1), probabilities.argmax(axis=1) == labels)


def simulate(pool: Pool, n_photos: int, n_draws: int) -> Tally:
    """Draws photos to choose on and as many to test on, and asks the pool who was right."""
    random, tally = np.random.default_rng(1), Tally()
    truth = threshold_curve(pool.confidence, pool.correct).accept_accuracy
    for _ in range(n_draws):
        chosen_on, tested_on = pool.draw(random, n_photos), pool.draw(random, n_photos)
        on_test = tested_on.accept_accuracy
        _promise(tally, chosen_on, truth, on_test)
        _plain(tally, chosen_on, truth, on_test)
    return tally


def _promise(
    tally: Tally,
    curve: ThresholdCurve,
    truth: NDArray[np.float64],
    on_test: NDArray[np.float64],
) -> None:
    found = guaranteed_threshold(curve, target=TARGET, start_share=START_SHARE)
    from_the_top = guaranteed_threshold(curve, target=TARGET, start_share=0.0)
    tally.promised.append(found.threshold is not None)
    tally.promised_from_the_top.append(from_the_top.threshold is not None)
    if found.threshold is not None:
        index = round(found.threshold * 100)
        tally.kept.append(bool(truth[index] >= TARGET))
        tally.kept_on_test.append(bool(on_test[index] >= TARGET))
        tally.coverage.append(found.n_accepted / curve.n_photos)


def _plain(
    tally: Tally,
    curve: ThresholdCurve,
    truth: NDArray[np.float64],
    on_test: NDArray[np.float64],
) -> None:
    plain = recommend_threshold(curve, target=TARGET, min_coverage=MIN_COVERAGE, penalty=PENALTY)
    index = round(plain.threshold * 100)
    accepted, right = int(curve.accepted[index]), int(curve.correct_accepted[index])
    if accepted:
        tally.bound_holds.append(bool(selected_lower_bound(right, accepted) <= truth[index]))
        tally.naive_bound_holds.append(bool(exact_lower_bound(right, accepted) <= truth[index]))
    if plain.selection_method == CONSTRAINT_FEASIBLE:
        tally.plain_kept.append(bool(truth[index] >= TARGET))
        tally.plain_kept_on_test.append(bool(on_test[index] >= TARGET))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--predictions", type=Path, help="a folder that evaluate wrote: one pool")
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--pools", nargs="+", choices=POOLS, default=list(POOLS))
    options = parser.parse_args()
    pools = {name: POOLS[name](np.random.default_rng(0)) for name in options.pools}
    if options.predictions:
        pools = {options.predictions.name: predictions(options.predictions)}
    heads = [
        "made",
        "(top)",
        "answers",
        "unbroken",
        "kept",
        "test",
        "plain",
        "test",
        "bound",
        "naive",
    ]
    print(f"{'pool':15}{'photos':>7}" + "".join(f"{head:>9}" for head in heads))
    for name, pool in pools.items():
        for n_photos in SIZES:
            shares = simulate(pool, n_photos, options.draws).shares()
            cells = "".join("        -" if np.isnan(s) else f"{s:9.3f}" for s in shares)
            print(f"{name:15}{n_photos:7}{cells}", flush=True)


if __name__ == "__main__":
    main()
