"""Every file between the steps and for the phone: its name, its version, its keys.

Steps hand folders to each other. What a folder may hold is written here once; reading anything
else is an `ArtifactError` that names the path.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from edgedistill.json_file import JsonFile, missing_file

# To ship.
MODEL_FILE = "model_qat_int8.tflite"
TASKS_FILE = "model_tasks.tflite"
BUNDLE_ZIP = "bundle.zip"
LABELS_FILE = "labels.txt"
# To judge.
CONFUSION_CSV = "confusion_matrix.csv"
CONFUSION_PNG = "confusion_matrix.png"
THRESHOLD_CURVE_CSV = "threshold_curve.csv"
THRESHOLD_PNG = "threshold_analysis.png"
RELIABILITY_PNG = "reliability_diagram.png"
CONFIDENCE_PNG = "confidence_histogram.png"
REPORT_HTML = "report.html"
LABEL_REVIEW_CSV = "label_review.csv"
# To trace.
CALIB_CSV = "calib.csv"
BAD_FILES = "bad_files.txt"
FINDINGS_CSV = "findings.csv"
SCAN_REPORT_HTML = "scan_report.html"
TRAINING_LOG = "training.log"
SPLITS = ("train", "val", "test")
# Kinds of rows in FINDINGS_CSV, besides what is odd about the look of a photo.
CONFLICT = "conflict"
BAD_FILE = "bad file"
OTHER_LABEL = "near duplicate of another class"
DUPLICATE = "duplicate"
NEAR_DUPLICATE = "near duplicate"
# Ways of quantising, in the candidates of QUANTIZATION; FLOAT is what they are held against.
FLOAT = "float student"
POST_TRAINING = "post-training quantisation"
QUANTISATION_AWARE = "quantisation-aware training"
# Between steps only.
PHOTOS_CSV = "photos.csv"
PIXELS_FOLDER = "pixels"
LOGITS_FILE = "logits.npy"
UNKNOWN_LOGITS_FILE = "unknown_logits.npy"
UNKNOWN_FOLDER = "unknown"
RESIZED_FOLDER = "resized"
CANDIDATES_FOLDER = "candidates"
WITHOUT_TEACHER_FOLDER = "without_teacher"
MISTAKES_FOLDER = "mistakes"
UNKNOWN_LABEL = "_unknown"
PREDICTIONS_CSV = "predictions.csv"
UNKNOWN_CSV = "unknown.csv"
WEIGHTS_FILE = "network.weights.h5"
TENSORBOARD_FOLDER = "tensorboard"


def split_csv(split: str) -> str:
    """File name of a split's table in the output folder: train.csv, val.csv, test.csv."""
    return f"{split}.csv"


DATASET_MANIFEST = JsonFile(
    "dataset_manifest.json",
    3,
    frozenset({
        "data_dir", "n_photos", "n_bad_files", "classes", "splits", "findings", "sizes_px",
        "digest",
    }),
    frozenset({"n_unknown"}),
)  # fmt: skip
"""`classes`: {label_name: photos}. `splits`: {split: photos}, empty where scan found no division.
`findings`: {kind: rows of findings.csv}. `sizes_px`: {student: px, teacher: [px]}, what photos are
packed at. `digest`: over each photo's place, label and pixels. `n_unknown`: photos of no
class, where there are some; of all other counts only `n_bad_files` knows of them."""

SHARD = JsonFile(
    "shard.json",
    1,
    frozenset({
        "shard_index", "scan_shards", "listing", "data_dir", "unknown_uri", "student_px",
        "teacher_sizes_px", "max_megapixels", "resized_share", "sha256",
    }),
)  # fmt: skip
"""Beside what scan_shard has packed. `shard_index`: which part of the files this is, from 0, of
`scan_shards`. `listing`: SHA-256 over the list of all files. `resized_share`: of photos in the
sample that is resized carelessly. `sha256`: of the tables, and of each list of pixels."""

PACKED_DATASET = JsonFile(
    "dataset.json",
    4,
    frozenset({"n_photos", "student_px", "teacher_sizes_px", "digest", "split_digest", "sha256"}),
)  # fmt: skip
"""Beside photos.csv, labels.txt and pixels/: what `datasets.PackedDataset` reads.
`teacher_sizes_px`: the sides of the teachers' images, each once, in the order of the teachers.
`sha256`: of each table, and of the list of each size's shards, SHA256SUMS, which names theirs."""

NETWORK = JsonFile(
    "network.json",
    3,
    frozenset({
        "arch", "img_size_px", "label_names", "weights", "weights_sha256", "history",
        "data_digest",
    }),
)  # fmt: skip
"""Beside the weights: what is needed to build the network again. `weights`: what training started
from: `imagenet`, `none` (random) or the name of a file. `weights_sha256`: over the trained ones, as
`tf.networks.weights_digest` takes it. `history`: one row an epoch."""

TEACHERS = JsonFile(
    "teachers.json", 2, frozenset({"archs", "val_accuracy", "val_loss", "label_review"})
)  # fmt: skip
"""Beside a folder for each of `archs`, of its name, with network and record. The figures are those
of all together, by the mean of their probabilities. `label_review`: of label_review.csv beside it,
`judged_by` {split: who, in words} and `n_suspects` {split: photos}, of train and val."""

MODEL_METADATA = JsonFile(
    "model_metadata.json",
    2,
    frozenset({
        "model_file", "labels_file", "input", "preprocess", "output", "tasks_model",
        "multiply_adds", "estimated_latency", "quantization_method", "size_bytes", "sha256",
    }),
    frozenset({"temperature", "do_not_ship"}),
)  # fmt: skip
"""In the bundle also, where there is one, the `temperature` that the logits can be divided by, and,
where the gate says no, `do_not_ship`: why, in sentences."""

QUANTIZATION = JsonFile(
    "quantization.json",
    3,
    frozenset({
        "method", "candidates", "history", "agreement", "layers", "tensor_dtypes", "operators",
        "student_arch", "student_weights", "data_digest",
    }),
)  # fmt: skip
"""How the int8 file came about.

`candidates`: {way of quantising: its file's accuracy on the validation photos}. `agreement`: share
of those on which the file and the float student name one class. `history`: one row an epoch of the
fine-tuning, with the keys of `NETWORK`'s. `layers`: each operator's `layer`, `operator`, and signal
to quantisation noise in dB, null where there is no noise: `sqnr_db` with the noise of the layers
before it, `own_sqnr_db` without.
"""

PERFORMANCE = JsonFile(
    "performance.json",
    1,
    frozenset({
        "n_cores", "latency_ms", "peak_memory_mb", "size_bytes", "multiply_adds",
        "estimated_latency",
    }),
)  # fmt: skip
"""Of both files, on the machine that made them, which has `n_cores`: `latency_ms`
{file: {threads: {median, p95}}}, `peak_memory_mb` and `size_bytes` {file: figure}.
`estimated_latency`: what a phone may need."""

PREDICTIONS = JsonFile("predictions.json", 1, frozenset({"data_digest"}))
"""Beside predictions.csv and logits.npy. `data_digest`, here as in the others: the split of the
photos, all three parts, that the artifact came from."""

_HEADLINE = ("top1", "macro_f1", "ece")
METRICS = JsonFile(
    "metrics.json",
    2,
    frozenset(
        {
            "n_test",
            *_HEADLINE,
            *(f"{figure}_student" for figure in _HEADLINE),
            *(f"{figure}_teacher" for figure in _HEADLINE),
            "confidence_level",
            "intervals",
            "ece_equal_mass",
            "brier",
            "nll",
            "macro_precision",
            "macro_recall",
            "per_class",
        }
    ),
    optional=frozenset(
        {
            *(f"{figure}_student_without_teacher" for figure in _HEADLINE),
            *(f"{figure}_post_training" for figure in _HEADLINE),
            *(f"{figure}_quantisation_aware" for figure in _HEADLINE),
            "robustness_mean_top1",
        }
    ),
)  # fmt: skip
"""Without suffix: the int8 file. `intervals`: {top1, macro_f1 or ece with each suffix that is
there: [low, high]} at `confidence_level`. `ece_equal_mass`: over bins of as many photos each;
`nll` in nats. `robustness_mean_top1`: the plain mean over the damages of evaluation.json.
`per_class`: {label_name: {precision, recall, f1, support}}."""

EVALUATION = JsonFile(
    "evaluation.json",
    1,
    frozenset({
        "confidence_level", "models", "comparisons", "calibration", "confused_pairs", "slices",
        "robustness", "mistakes", "n_unknown",
    }),
)  # fmt: skip
"""All that the test photos say, beyond the figures of metrics.json.

Every `*_interval` is [low, high] at `confidence_level`, every share in [0, 1].

`models`, in the order of the waterfall, each with `name` (teacher, student_without_teacher,
student, post_training, quantisation_aware, file), `title`, `top1`, `macro_f1`, `ece`, each of these
three with its `_interval`, `ece_equal_mass`, `brier`, `nll`. `comparisons`, on the same photos: of
a model with the one before it, then, where others stand between, of the student with the teacher
and of the file with the student: `from`, `to` (names), `difference` of top-1,
`difference_interval`, `only_from_right`, `only_to_right` (photos), `p_value` (McNemar's exact
test). `calibration`:
`equal_width` and `equal_mass`, rows of `low`, `high`, `count`, `mean_confidence`, `accuracy`,
`accuracy_interval` (null where there is no photo); `histogram` with `edges`, `right`, `wrong`
(photos). `confused_pairs`: `true`, `predicted`, `count`, most first. `slices`: {size, brightness,
folder: rows of `name`, `n_photos`, `top1`, `top1_interval`}. `robustness`: `n_photos`,
`clean_top1`, `mean_top1`, `damages`: rows of `name`, `strength` (1, 2), `setting` in words,
`n_photos`, `clean_top1` (of the same photos), `top1`, `top1_interval`; null where none was asked
for. `mistakes`: `filepath`, `label_name`, `predicted_name`, `confidence`, `image` (a file below
this folder), worst first. `n_unknown`: photos of no class that were asked.
"""

GATE = JsonFile(
    "gate.json", 1, frozenset({"ship", "reasons", "min_top1", "max_regression", "baseline"})
)  # fmt: skip
"""Whether the model may ship. `reasons`: sentences, empty where it may. `baseline`: null, or `uri`,
`top1`, `top1_interval`, `difference` (file less baseline), `difference_interval`, `p_value`."""

THRESHOLD = JsonFile(
    "threshold_recommendation.json",
    2,
    frozenset({
        "recommended_threshold", "calibration_notes", "target_accept_accuracy", "min_coverage",
        "penalty_incorrect", "achieved_accept_accuracy", "achieved_coverage",
        "accept_accuracy_lower_bound", "confidence_level", "guaranteed_threshold", "guarantee",
        "selection_method", "grid_step", "chosen_on", "n_val", "test", "test_accept_accuracy",
        "test_coverage", "n_test",
    }),
    frozenset({"temperature", "unknown", "per_class"}),
)  # fmt: skip
"""Every `*_interval` is [low, high] at `confidence_level`, every share in [0, 1], null where it is
of no photos.

`chosen_on`: `validation` or `calibration`, the part of the split whose `n_val` photos the
thresholds are chosen on. `accept_accuracy_lower_bound`: of the recommended threshold, corrected for
its having been chosen among 100. `guaranteed_threshold`: null where there is none. `guarantee`:
`procedure`, `lower_bound`, `accept_accuracy`, `coverage`, `n_accepted` (on the photos that it is
chosen on; null where there is none), `photos_missing` (accepted photos without a further error
that a guarantee would take; null where there is one, or where no number of photos would do) and
`note`. `test`: `recommended` and `guaranteed` (null where there is none), each with `threshold`,
`n_accepted`, `n_correct`, `accept_accuracy`, `coverage`, both with `_interval`, and `kept`, whether
the target is reached. `test_*`: the recommended threshold on the same test photos.

`temperature`: `value`, and of the test photos `ece_before`, `ece_after`, `nll_before`, `nll_after`.
`unknown`, of photos of no class: `n_photos`, `accepted_share` at the recommended threshold, with
interval; `auroc` {max_probability, max_logit, energy} against the test photos; `best_score`, and at
`best_score_threshold`, which accepts 95 % of the photos that it is chosen on,
`best_score_known_accepted` and `best_score_unknown_accepted`, with interval. `per_class`:
{label_name: {threshold, coverage, accept_accuracy, n_accepted}} of the photos that were named so;
null where no threshold reaches the target."""

TRAINING_CONFIG = JsonFile("training_config.json", 1, frozenset({"settings"}))
RUN_METADATA = JsonFile(
    "run_metadata.json",
    2,
    frozenset({
        "started_utc", "finished_utc", "python", "packages", "machine", "git_revision", "seed",
        "compute_threads", "digests", "counts", "seconds", "reused_steps",
    }),
)  # fmt: skip
"""`compute_threads`: how many TensorFlow computed with. `digests`: {part of the run: SHA-256} of
data, split, teacher, student, file. `seconds`: {step: wall seconds of the run that did it}."""

TO_SHIP = (
    MODEL_FILE, TASKS_FILE, LABELS_FILE, MODEL_METADATA.name, THRESHOLD.name, BUNDLE_ZIP
)  # fmt: skip
TO_JUDGE = (
    METRICS.name, EVALUATION.name, GATE.name, PREDICTIONS_CSV, QUANTIZATION.name, PERFORMANCE.name,
    CONFUSION_PNG, CONFUSION_CSV, THRESHOLD_CURVE_CSV, THRESHOLD_PNG, RELIABILITY_PNG,
    CONFIDENCE_PNG, REPORT_HTML,
)  # fmt: skip
TO_TRACE = (
    TRAINING_CONFIG.name, RUN_METADATA.name, DATASET_MANIFEST.name,
    *(split_csv(s) for s in SPLITS), BAD_FILES, FINDINGS_CSV, LABEL_REVIEW_CSV,
    SCAN_REPORT_HTML, TRAINING_LOG,
)  # fmt: skip
OUTPUT_FILES = (*TO_SHIP, *TO_JUDGE, *TO_TRACE)
"""What a local run leaves in its output folder; no BUNDLE_ZIP where GATE lets none ship, and
besides CALIB_CSV where photos were set aside for the threshold."""


def write_labels(folder: Path, label_names: list[str]) -> None:
    """Writes labels.txt: one class a line, in the order of the model's outputs."""
    (folder / LABELS_FILE).write_text("".join(f"{n}\n" for n in label_names), encoding="utf-8")


def read_labels(folder: Path) -> list[str]:
    """The class names, in the order of the model's outputs.

    Raises:
        ArtifactError: the file is missing.
    """
    path = folder / LABELS_FILE
    try:
        return path.read_text(encoding="utf-8").split("\n")[:-1]
    except FileNotFoundError:
        raise missing_file(path) from None


class MetricsArtifact(Protocol):
    """What `log_metrics` needs of KFP's Metrics."""

    def log_metric(self, metric: str, value: float) -> None: ...


def log_metrics(artifact: MetricsArtifact, values: Mapping[str, float]) -> None:
    """Logs each value as a finite Python float, the only kind that KFP shows everywhere.

    Raises:
        ValueError: a value is not finite.
    """
    for name, value in values.items():
        if not math.isfinite(value):
            raise ValueError(f"metric {name} must be finite; got {value}")
        artifact.log_metric(name, float(value))
