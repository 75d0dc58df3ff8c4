"""What the page that compares runs is made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgedistill.core.paired import PairedComparison


@dataclass(frozen=True)
class Estimate:
    """A figure and the ends of its interval, at the confidence level of its run."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class ModelFigures:
    """What one of a run's models is worth on the run's test photos.

    `name` as in evaluation.json: teacher, student, file, ...; `title` is for people.
    """

    name: str
    title: str
    top1: Estimate
    macro_f1: Estimate
    ece: Estimate
    ece_equal_mass: float
    brier: float
    nll: float


@dataclass(frozen=True, kw_only=True)
class ThresholdFacts:
    """When a run's app says "unknown", and what that comes to on the test photos.

    `guaranteed` is None where no threshold's promise is proven; `photos_missing`, how many more
    accepted photos without an error that would take, is None where it is, or where no number
    would do. `accept_accuracy` and `kept` are None where no test photo is accepted;
    `unknown_accepted` where none was unknown.
    """

    recommended: float
    target: float
    guaranteed: float | None
    photos_missing: int | None
    coverage: Estimate
    accept_accuracy: Estimate | None
    kept: bool | None
    unknown_accepted: Estimate | None


@dataclass(frozen=True, kw_only=True)
class SpeedFacts:
    """Size of the int8 file, and how long it takes.

    `latency_ms`: {threads: (median, 95th percentile)}, measured where the run was done;
    `estimate_ms` is for `estimate_device`.
    """

    size_bytes: int
    width_px: int
    height_px: int
    multiply_adds: int
    estimate_ms: float
    estimate_device: str
    latency_ms: Mapping[str, tuple[float, float]]
    memory_mb: float | None


@dataclass(frozen=True, kw_only=True)
class Robustness:
    """Top-1 of the int8 file on some test photos, and the mean of that on them when damaged."""

    n_photos: int
    clean_top1: float
    mean_top1: float


@dataclass(frozen=True, kw_only=True)
class ComparedRun:
    """A finished run, as its output folder tells of it.

    `name` tells it from the others; `finished_utc` is "2026-01-31 18:05". `f1_of_classes`:
    {label_name: (F1, test photos)}. `environment`: {what may change a result, as users call it:
    value}. `digests`: {part of the run: SHA-256}, of data, split, teacher, student, file.
    `robustness` is None where no photo was damaged.
    """

    name: str
    folder: str
    finished_utc: str
    label_names: Sequence[str]
    n_test: int
    confidence_level: float
    ships: bool
    reasons: Sequence[str]
    quantised_by: str
    models: Sequence[ModelFigures]
    f1_of_classes: Mapping[str, tuple[float, int]]
    threshold: ThresholdFacts
    speed: SpeedFacts
    robustness: Robustness | None
    settings: Mapping[str, bool | int | float | str]
    environment: Mapping[str, str]
    digests: Mapping[str, str]

    @property
    def file(self) -> ModelFigures:
        """The figures of the int8 file."""
        return next(model for model in self.models if model.name == "file")


@dataclass(frozen=True, kw_only=True)
class Flip:
    """A photo that two files call by different names: what the first said, and the second."""

    filepath: str
    label_name: str
    first_name: str
    first_confidence: float
    second_name: str
    second_confidence: float


@dataclass(frozen=True, kw_only=True)
class Flips:
    """All photos that two files call by different names, each by what became of the first's."""

    right_to_wrong: Sequence[Flip]
    wrong_to_right: Sequence[Flip]
    wrong_to_other: Sequence[Flip]


@dataclass(frozen=True, kw_only=True)
class PairedAnswers:
    """Two files' answers to the same photos.

    `first_top1` and `second_top1` are those on these photos. `p_adjusted`: the p-value, corrected
    after Holm for as many comparisons as the page makes.
    """

    first_top1: float
    second_top1: float
    paired: PairedComparison
    p_adjusted: float
    flips: Flips


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A run's file against the first run's, on the test photos that both judged.

    `n_relabelled` and `n_other_pixels`: photos at the same place in both test splits that are left
    out, being of another label or of other pixels. `answers` is None where `refusal` says why they
    are not compared.
    """

    run: ComparedRun
    n_common: int
    n_relabelled: int
    n_other_pixels: int
    refusal: str = ""
    answers: PairedAnswers | None = None

    def same_photos(self, first: ComparedRun) -> bool:
        """Whether the run's test photos are those of the first run, all of them."""
        return first.n_test == self.run.n_test == self.n_common


@dataclass(frozen=True)
class Difference:
    """A setting, or a part of what a run was made with, and its text in each run.

    The text is empty where a run has none of it.
    """

    name: str
    texts: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class ComparisonFacts:
    """All runs in the order in which they were named, and each but the first against the first.

    Only what differs is in `settings`, in `idle_settings`, which change no result, in
    `environment`, and in `parts`: digests of data, split, teacher, student and file.
    """

    runs: Sequence[ComparedRun]
    pairs: Sequence[Pair]
    settings: Sequence[Difference]
    idle_settings: Sequence[Difference]
    environment: Sequence[Difference]
    parts: Sequence[Difference]

    @property
    def first(self) -> ComparedRun:
        """The run that the others are held against."""
        return self.runs[0]

    @property
    def compared(self) -> list[tuple[Pair, PairedAnswers]]:
        """The pairs whose answers are compared."""
        return [(pair, pair.answers) for pair in self.pairs if pair.answers is not None]
