"""What each choice of the training recipe is worth: with and without it, three seeds.

    python -m tests.benchmarks.recipe_ablation [--every 4] [--student_px 96] [--teacher_px 128]
        [--epochs 3] [--seeds 1 2 3] [--arms base "all layers" ...]

Trains students on every `--every`th training photo of the clothes (../shared/data/clothing, its
own split; all 341 validation and 372 test photos), taught by a Lite2 that is trained once. Small
photos and few epochs, so that an arm takes a minute on one core: differences are larger than on
the whole set, and one of less than a point between means of three seeds proves nothing.

`base` is the recipe with the defaults of `training_settings`, but that the teacher answers as many
views as there are epochs once for all arms, which gives the same numbers; each other arm changes
what its name says. Means over the seeds of validation and test accuracy and loss of the kept
epoch, of its number, of the number of epochs and what the last of them comes to on validation, and
CPU seconds of the student's training and of asking the teacher. The arms of 12 epochs take four
times as long as the others.

Seen on 2 shared cores: the tables stand in the README of the distiller. The arms from `base` to `no
average` were taken on 29 November 2026 with AVX-512; the others, and `base`, on the same day
without; but `twice the rate` and AdamW's on 23 November, when `pretrained_rate` was 0.1 and
`ema_decay` 0, and `pretrained at 1` not at all.
"""

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from edgedistill.core.best_epoch import best_epoch
from edgedistill.datasets import PackedDataset
from edgedistill.scan.step import scan_photos
from edgedistill.settings import DistillerSettings, ScanSettings, SplitSettings
from edgedistill.split.step import split_catalog

CLOTHING = Path(__file__).parents[3] / "shared" / "data" / "clothing"
TEACHER, STUDENT = "efficientnet_lite2", "efficientnet_lite1"
ARMS: Mapping[str, Mapping[str, Any]] = {
    "base": {},
    "no head first": {"head_first": False},
    "batch normalisation trained": {"train_batch_norm": True},
    "no warm-up": {"warmup_frac": 0.0},
    "constant rate": {"lr_schedule": "constant"},
    "constant rate, no average": {"lr_schedule": "constant", "ema_decay": 0.0},
    "no average": {"ema_decay": 0.0},
    "all layers": {"trained_layers": "all"},
    "pretrained at 0.1": {"pretrained_rate": 0.1},
    "pretrained at 1": {"pretrained_rate": 1.0},
    "twice the rate": {"lr_student": 2e-3},
    "AdamW, decay 0.01": {"weight_decay": 0.01},
    "label smoothing 0.1": {"label_smoothing": 0.1},
    "no class weights": {"use_class_weights": False},
    "no teacher": {"distill_alpha": 1.0},
    "1 view": {"teacher_views": 1},
    "2 views": {"teacher_views": 2},
    "augment none": {"augment": "none"},
    "augment light": {"augment": "light"},
    "augment phone": {"augment": "phone"},
    "mixup 0.2": {"mixup": 0.2},
    "12 epochs": {"epochs_student": 12, "teacher_views": 12},
    "12 epochs, no early stop": {
        "epochs_student": 12, "teacher_views": 12, "early_stop_patience": 0
    },
}  # fmt: skip
FIGURES = (
    "val_accuracy", "val_loss", "test_accuracy", "test_loss",
    "kept", "epochs", "last_val_accuracy", "last_val_loss", "cpu_s", "asked_cpu_s",
)  # fmt: skip


@dataclass(frozen=True)
class Parts:
    """The three parts of one split."""

    train: PackedDataset
    val: PackedDataset
    test: PackedDataset


def packed_parts(
    photos: Path, folder: Path, *, every: int, student_px: int, teacher_px: int
) -> Parts:
    source = folder / "photos"
    for path in sorted(photos.glob("*/*/*.jpg")):
        split, label = path.parts[-3:-1]
        siblings = sorted(path.parent.glob("*.jpg"))
        if split != "train" or siblings.index(path) % every == 0:
            (source / split / label).mkdir(parents=True, exist_ok=True)
            shutil.copy(path, source / split / label)
    settings = ScanSettings(
        data_dir=str(source), teacher_arch=TEACHER, teacher_img_size=str(teacher_px),
        student_img_size=student_px,
    )  # fmt: skip
    scan_photos(str(folder / "catalog"), str(folder / "scan.html"), settings)
    train, val, test, calib = (str(folder / p) for p in ("train", "val", "test", "calib"))
    page = str(folder / "split.html")
    split_catalog(str(folder / "catalog"), train, val, test, calib, page, SplitSettings())
    return Parts(PackedDataset.open(train), PackedDataset.open(val), PackedDataset.open(test))


def trained(
    parts: Parts, settings: DistillerSettings, arch: str, teachers: Any = None
) -> tuple[Any, dict[str, float]]:
    """A network trained by the product's own recipe, and what it is worth."""
    from edgedistill.tf.batches import training_photos
    from edgedistill.tf.fine_tuning import Pretrained, fine_tune
    from edgedistill.tf.inference import Predictor, Validation, judge
    from edgedistill.tf.networks import build
    from edgedistill.tf.optimizers import Schedule
    from edgedistill.tf.runtime import seed_everything
    from edgedistill.tf.teaching import taught_by
    from edgedistill.tf.weights import load_pretrained

    seed_everything(settings.seed)
    size_px = parts.train.student_px if arch == STUDENT else parts.train.teacher_sizes_px[0]
    network = build(arch, size_px, len(parts.train.label_names))
    load_pretrained(network, arch, "imagenet")
    photos, distillation = (
        training_photos(parts.train, parts.train.pixels_at(size_px), settings),
        None,
    )
    begun = time.process_time()
    if teachers is not None:
        photos, distillation = taught_by(
            teachers, parts.train, photos, settings, epochs=settings.epochs_student,
            seed=settings.seed,
        )  # fmt: skip
    asked_s = time.process_time() - begun
    schedule = Schedule.of(
        settings, stage="network", epochs=settings.epochs_student, learning_rate=settings.lr_student
    )
    validation = Validation(parts.val.pixels_at(size_px), parts.val.label_indices)
    begun = time.process_time()
    history = fine_tune(
        network, photos, validation, schedule,
        pretrained=Pretrained.of(settings), distillation=distillation,
    )  # fmt: skip
    cpu_s = time.process_time() - begun
    predictor = Predictor(network)
    figures = {"cpu_s": cpu_s, "asked_cpu_s": asked_s, **course(history)}
    for name, part in (("val", parts.val), ("test", parts.test)):
        judged = judge(predictor.outputs(part.pixels_at(size_px)), part.label_indices)
        figures |= {key.replace("val", name): value for key, value in judged.items()}
    return network, figures


def course(history: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Which epoch was kept, how many there were, and what the last came to on validation."""
    last = history[-1]
    return {
        "kept": history[best_epoch(history)]["epoch"],
        "epochs": last["epoch"],
        "last_val_accuracy": last["val_accuracy"],
        "last_val_loss": last["val_loss"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=Path, default=CLOTHING)
    parser.add_argument("--every", type=int, default=4)
    parser.add_argument("--student_px", type=int, default=96)
    parser.add_argument("--teacher_px", type=int, default=128)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2, 3])
    parser.add_argument("--arms", nargs="*", default=list(ARMS))
    arguments = parser.parse_args()
    if not arguments.photos.is_dir():
        parser.error(f"{arguments.photos} is no folder")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from edgedistill.tf.networks import release_networks
    from edgedistill.tf.runtime import prepare
    from edgedistill.tf.teachers import Teachers

    prepare(1, 0)
    base = DistillerSettings(epochs_student=arguments.epochs, teacher_views=arguments.epochs)
    with tempfile.TemporaryDirectory() as folder:
        parts = packed_parts(
            arguments.photos, Path(folder), every=arguments.every,
            student_px=arguments.student_px, teacher_px=arguments.teacher_px,
        )  # fmt: skip
        teacher, worth = trained(parts, base, TEACHER)
        print(f"teacher: test accuracy {worth['test_accuracy']:.4f}")  # noqa: T201
        print(f"{'arm':28}{''.join(f'{name:>18}' for name in FIGURES)}")  # noqa: T201
        for arm in arguments.arms:
            rows = []
            for seed in arguments.seeds:
                settings = replace(base, seed=seed, **ARMS[arm])
                network, figures = trained(parts, settings, STUDENT, Teachers((teacher,)))
                rows.append([figures[name] for name in FIGURES])
                del network
            means = np.mean(rows, axis=0)
            print(f"{arm:28}{''.join(f'{x:18.4f}' for x in means)}", flush=True)  # noqa: T201
    release_networks()


if __name__ == "__main__":
    main()
