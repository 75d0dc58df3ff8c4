"""Are wrong labels found? Labels of real photos are falsified, and the first suspects counted.

    python -m tests.benchmarks.label_review [--every 3] [--wrong 0.03] [--seeds 1 2 3]

Takes every `--every`th training photo of the clothes (../shared/data/clothing) and a tenth of them
for validation, packed at the student's size, falsifies a share of the labels, and looks at them as
the step teacher does: features of Lite1 with ImageNet weights, cross-fitted heads,
`core.label_errors`. Of as many photos as were falsified, n: how many of the first n suspects are
among them (precision and recall are then the same), how many of all suspects are, and how many of
the falsified ones are suspects at all. Photos that were labelled wrongly all along count against
it. Beside it the same with a head that was fitted on the very labels that it judges.

Seen on 2026-11-28, seeds 1, 2 and 3, of 920 training photos 28 falsified each time: of the first 28
suspects 19, 18 and 16 are among them (0.63; chance finds 1 in 33), of 89, 69 and 67 suspects in all
25, 21 and 19 (0.29), which is 0.77 of the falsified ones. The head that saw the labels suspects
none: with these features it fits wrong labels as well as right ones. All penalties of the head and
the five heads together took 3.6 CPU seconds.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgedistill.core.class_weights import class_weights
from edgedistill.core.cross_fitting import cross_fit, group_folds
from edgedistill.core.label_errors import label_suspects
from edgedistill.core.linear_head import fit_linear_head
from edgedistill.core.probabilities import softmax
from edgedistill.datasets import PackedDataset
from tests.benchmarks.clothing import Jpegs, jpegs, pack

ARCH, SIZE_PX = "efficientnet_lite1", 240


def falsified(labels: NDArray[np.int64], share: float, seed: int) -> NDArray[np.int64]:
    """The labels, a share of them replaced by another class, each as likely as the others."""
    draw = np.random.default_rng(seed)
    n_classes = int(labels.max()) + 1
    rows = draw.permutation(len(labels))[: round(share * len(labels))]
    wrong = labels.copy()
    wrong[rows] = (labels[rows] + draw.integers(1, n_classes, len(rows))) % n_classes
    return wrong


def counted(
    way: str, probabilities: NDArray[Any], labels: NDArray[np.int64], wrong: NDArray[np.int64]
) -> str:
    is_wrong = labels != wrong
    suspects = label_suspects(probabilities, wrong).rows
    n = int(is_wrong.sum())
    first = is_wrong[suspects[:n]].sum() / n
    found = is_wrong[suspects].sum()
    return (
        f"{way:14}{n:5} wrong  first {n}: {first:.2f}   all {len(suspects):4} suspects: "
        f"precision {found / max(1, len(suspects)):.2f}  recall {found / n:.2f}"
    )


def real_photos(every: int) -> tuple[PackedDataset, NDArray[np.float32]]:
    """The photos, whose pixels are gone, and their features."""
    from edgedistill.tf.inference import Predictor
    from edgedistill.tf.networks import build, feature_extractor
    from edgedistill.tf.runtime import prepare
    from edgedistill.tf.weights import load_pretrained

    prepare(1, 0)
    found = jpegs("train")
    chosen = Jpegs(found.places[::every], found.label_indices[::every], found.label_names)
    network = build(ARCH, SIZE_PX, len(found.label_names))
    load_pretrained(network, ARCH, "imagenet")
    with tempfile.TemporaryDirectory() as folder:
        photos = pack(chosen, Path(folder), SIZE_PX, SIZE_PX)
        return photos, Predictor(feature_extractor(network)).outputs(photos.student_pixels)


def judged(
    photos: PackedDataset,
    features: NDArray[np.float32],
    validation: NDArray[np.bool_],
    wrong: NDArray[np.int64],
    seed: int,
) -> dict[str, NDArray[Any]]:
    """What heads that were fitted on these labels say of the training photos."""
    n_classes = len(photos.label_names)
    weights = class_weights(wrong, n_classes).astype(np.float32)[wrong]
    seen = features[~validation]
    head = fit_linear_head(
        seen, wrong, weights, n_classes,
        validation_features=features[validation],
        validation_labels=photos.label_indices[validation],
    )  # fmt: skip
    folds = group_folds([""] * len(wrong), wrong, seed=seed)
    heads = cross_fit(seen, wrong, weights, n_classes, folds, inverse_penalty=head.inverse_penalty)
    return {
        "cross-fitted": heads.probabilities(seen, folds),
        "saw the labels": softmax(head.logits(seen)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--every", type=int, default=3)
    parser.add_argument("--wrong", type=float, default=0.03)
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2, 3])
    arguments = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    photos, features = real_photos(arguments.every)
    validation = np.arange(len(features)) % 10 == 0
    labels = photos.label_indices[~validation]
    for seed in arguments.seeds:
        wrong = falsified(labels, arguments.wrong, seed)
        begun = time.process_time()
        for way, probabilities in judged(photos, features, validation, wrong, seed).items():
            print(counted(way, probabilities, labels, wrong), flush=True)  # noqa: T201
        print(f"{time.process_time() - begun:.1f} CPU s")  # noqa: T201


if __name__ == "__main__":
    main()
