"""The step teacher with real networks on tiny photos, their heads alone."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.metrics import f1_score

from edgedistill.artifacts import (
    LABEL_REVIEW_CSV,
    NETWORK,
    PIXELS_FOLDER,
    TEACHERS,
    WEIGHTS_FILE,
)
from edgedistill.datasets import PackedDataset, Photo, write_dataset_tables
from edgedistill.errors import ArtifactError, WeightsError
from edgedistill.settings import TeacherSettings
from tests.tf.tiny import N_CLASSES, colour_photos, packed

pytestmark = pytest.mark.slow

SIZE_PX = 32
N_PHOTOS = {"train": 24, "val": 12}


def write_splits(folder: Path, *teacher_sizes_px: int) -> None:
    """Photos of plain colours, whose pixels are there at 32 px alone."""
    for seed, (split, n_photos) in enumerate(N_PHOTOS.items()):
        images, labels = colour_photos(n_photos, seed)
        images = images.repeat(2, axis=1).repeat(2, axis=2)
        packed(folder / split / PIXELS_FOLDER / str(SIZE_PX), images)
        names = ["blue", "green", "red"]
        photos = [
            Photo(f"{n}.png", int(i), names[i], 9, 9, f"{n:064x}") for n, i in enumerate(labels)
        ]
        write_dataset_tables(
            folder / split, photos, names, student_px=SIZE_PX,
            teacher_sizes_px=teacher_sizes_px, digest=split, split_digest="one",
        )  # fmt: skip


def train(folder: Path, name: str, **settings: Any) -> dict[str, float]:
    from edgedistill.teacher.step import train_teacher

    train, val, model, report = (
        str(folder / place) for place in ("train", "val", name, f"{name}.html")
    )
    heads_alone = TeacherSettings(**{"epochs_teacher": 0, "save_tensorboard": False, **settings})
    return train_teacher(train, val, model, report, heads_alone)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, float]]:
    """ResNet101 from a file and then Lite2, in the folder `both`, and the step's metrics."""
    from edgedistill.tf.networks import build, feature_extractor

    folder = tmp_path_factory.mktemp("teachers")
    write_splits(folder, SIZE_PX)
    file = folder / "resnet.h5"
    feature_extractor(build("resnet101", SIZE_PX, N_CLASSES)).save_weights(file)
    metrics = train(
        folder, "both",
        teacher_arch="resnet101,efficientnet_lite2", teacher_weights=f"{file},imagenet",
    )  # fmt: skip
    return folder, metrics


def test_each_teacher_lies_in_a_folder_of_its_own(
    trained: tuple[Path, dict[str, float]],
) -> None:
    folder, _ = trained
    model = folder / "both"
    assert TEACHERS.read(model)["archs"] == ["resnet101", "efficientnet_lite2"]
    records = [NETWORK.read(model / arch) for arch in ("resnet101", "efficientnet_lite2")]
    assert [r["arch"] for r in records] == ["resnet101", "efficientnet_lite2"]
    assert [r["weights"] for r in records] == ["resnet.h5", "imagenet"]
    assert [[row["stage"] for row in r["history"]] for r in records] == [["head"], ["head"]]
    assert len(list(model.glob(f"*/{WEIGHTS_FILE}"))) == 2


def test_the_figures_of_several_are_those_of_the_mean_of_their_probabilities(
    trained: tuple[Path, dict[str, float]],
) -> None:
    from edgedistill.tf.networks import load_network

    folder, metrics = trained
    validation = PackedDataset.open(folder / "val")
    images = np.stack(list(validation.student_pixels.read(range(12)))).astype(np.float32)
    each = {}
    for arch in ("resnet101", "efficientnet_lite2"):
        logits = load_network(folder / "both" / arch)[0](images, training=False)
        each[arch] = softmax(np.asarray(logits, np.float64), axis=1)
    labels = validation.label_indices
    mean = np.mean(list(each.values()), axis=0)
    f1 = f1_score(labels, mean.argmax(axis=1), average="macro")
    assert metrics["val_macro_f1"] == pytest.approx(f1)
    assert metrics["val_loss"] == pytest.approx(-np.log(mean[range(12), labels]).mean(), rel=1e-4)
    assert metrics["val_accuracy"] == pytest.approx((mean.argmax(axis=1) == labels).mean())
    told = TEACHERS.read(folder / "both")
    assert (told["val_accuracy"], told["val_loss"]) == (
        metrics["val_accuracy"], metrics["val_loss"],
    )  # fmt: skip
    for arch, probabilities in each.items():
        loss = -np.log(probabilities[range(12), labels]).mean()
        assert metrics[f"val_loss_{arch}"] == pytest.approx(loss, rel=1e-4)
        accuracy = (probabilities.argmax(axis=1) == labels).mean()
        assert metrics[f"val_accuracy_{arch}"] == pytest.approx(accuracy)
    # A process has one peak, whoever caused it.
    assert [name for name in metrics if name.startswith("peak")] == ["peak_memory_gb"]
    # KFP's views take 20 a task; a third teacher, the last there is, would add two, and epochs,
    # of which there are none here, the three figures of their speed.
    assert len(metrics) + 2 + 3 <= 20
    page = (folder / "both.html").read_text(encoding="utf-8")
    assert "<h2>resnet101</h2>" in page
    assert "<h2>efficientnet_lite2</h2>" in page


def test_a_teacher_is_trained_as_if_there_were_no_other(
    trained: tuple[Path, dict[str, float]],
) -> None:
    folder, together = trained
    alone = train(folder, "one", teacher_arch="efficientnet_lite2")
    among, by_itself = (NETWORK.read(folder / n / "efficientnet_lite2") for n in ("both", "one"))
    assert by_itself["weights_sha256"] == among["weights_sha256"]
    assert alone["val_loss"] == together["val_loss_efficientnet_lite2"]
    shared = {"val_accuracy", "val_macro_f1", "val_ece", "val_loss"}
    assert shared | {"best_epoch", "n_train", "seconds"} <= set(alone)
    assert shared <= set(together)
    assert not [name for name in alone if name.endswith("lite2")]
    told = TEACHERS.read(folder / "one")
    assert (told["archs"], told["val_loss"]) == (["efficientnet_lite2"], alone["val_loss"])


def test_who_judged_the_labels_is_told_and_so_is_how_many_are_in_doubt(
    trained: tuple[Path, dict[str, float]],
) -> None:
    folder, metrics = trained
    review = TEACHERS.read(folder / "both")["label_review"]
    names = "resnet101 and efficientnet_lite2"
    assert review["judged_by"] == {
        "train": f"cross-fitted heads on frozen features of {names}",
        "val": f"the trained {names}",
    }
    assert sum(review["n_suspects"].values()) == metrics["n_label_suspects"]
    lines = (folder / "both" / LABEL_REVIEW_CSV).read_text(encoding="utf-8").splitlines()
    assert len(lines) == 1 + sum(N_PHOTOS.values())
    assert "Labels to look at" in (folder / "both.html").read_text(encoding="utf-8")


def test_a_training_that_goes_on_from_behind_its_head_judges_labels_as_if_it_had_not_been_ended(
    tmp_path: Path,
) -> None:
    write_splits(tmp_path, SIZE_PX)
    kept = {"teacher_arch": "efficientnet_lite2", "checkpoint_uri": str(tmp_path / "states")}
    first = train(tmp_path, "first", **kept)
    again = train(tmp_path, "again", **kept)
    assert again["val_loss"] == first["val_loss"]
    one, other = (tmp_path / name / LABEL_REVIEW_CSV for name in ("first", "again"))
    assert one.read_bytes() == other.read_bytes()
    assert TEACHERS.read(tmp_path / "first") == TEACHERS.read(tmp_path / "again")


def test_without_pretrained_features_the_trained_network_judges_the_labels_it_saw(
    tmp_path: Path,
) -> None:
    write_splits(tmp_path, SIZE_PX)
    train(
        tmp_path, "random", teacher_arch="efficientnet_lite2", teacher_weights="none",
        epochs_teacher=1,
    )  # fmt: skip
    assert TEACHERS.read(tmp_path / "random")["label_review"]["judged_by"] == {
        "train": "the trained efficientnet_lite2, which saw these labels",
        "val": "the trained efficientnet_lite2",
    }


def test_weights_that_are_missing_of_the_last_teacher_end_the_step_before_the_first_is_trained(
    trained: tuple[Path, dict[str, float]], caplog: pytest.LogCaptureFixture
) -> None:
    folder, _ = trained
    caplog.set_level("INFO")
    with pytest.raises(WeightsError, match="resnet101"):
        train(
            folder, "none", teacher_arch="efficientnet_lite2,resnet101",
            teacher_weights=f"imagenet,{folder / 'no such.h5'}",
        )  # fmt: skip
    assert "head on frozen" not in caplog.text
    assert not (folder / "none").exists()


@pytest.mark.parametrize(
    ("packed_px", "arch", "side"),
    [
        ((260,), "efficientnet_lite2", 260),
        ((96,), "efficientnet_lite2", 96),  # a size given for all
        ((224, 260), "efficientnet_lite2", 260),
        ((224, 260), "resnet101", 224),
        ((224,), "efficientnet_b3", 224),  # scan was told of another network
    ],
)
def test_a_teacher_takes_its_own_size_or_the_only_one_there_is(
    tmp_path: Path, packed_px: tuple[int, ...], arch: str, side: int
) -> None:
    from edgedistill.teacher.single_teacher import size_px

    photos = PackedDataset(tmp_path, ["a", "b"], [], 240, packed_px, "d", "d", {})
    assert size_px(photos, arch) == side


def test_which_of_several_foreign_sizes_a_teacher_should_take_is_not_guessed(
    tmp_path: Path,
) -> None:
    from edgedistill.teacher.single_teacher import size_px

    photos = PackedDataset(tmp_path, ["a", "b"], [], 240, (224, 260), "d", "d", {})
    with pytest.raises(ArtifactError) as caught:
        size_px(photos, "efficientnet_b3")
    assert str(caught.value) == (
        f"{tmp_path} must hold images of 300 px for efficientnet_b3; it has those of 224, 260 px: "
        "give scan and teacher the same teacher_arch."
    )
