"""A training that is ended at any moment goes on to the weights it would have had anyway."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgedistill.checkpoints import Checkpoints
from edgedistill.errors import ArtifactError, TrainingError
from tests.tf.tiny import N_CLASSES, colour_photos, packed, tiny_network

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).parents[2]


class PowerCutError(Exception):
    """Ends a training right after a save, as a cut of the power would."""


class CutOff(Checkpoints):
    """Checkpoints after so many of which the power is cut."""

    def __init__(self, place: Path, cut_after: int):
        super().__init__(str(place), {"seed": 3})
        self._left = cut_after

    def save(self, *state: Any) -> None:
        super().save(*state)
        self._left -= 1
        if self._left == 0:
            raise PowerCutError


def _train(folder: Path, checkpoints: Checkpoints | None, **changes: Any) -> tuple[Any, Any]:
    from edgedistill.tf.batches import Augmentation, TrainingPhotos
    from edgedistill.tf.inference import Validation
    from edgedistill.tf.optimizers import Schedule
    from edgedistill.tf.runtime import seed_everything
    from edgedistill.tf.surroundings import Surroundings
    from edgedistill.tf.training import train

    seed_everything(3)
    network = changes.pop("network", tiny_network)()
    images, labels = colour_photos(24, seed=0)
    pixels = packed(folder / "train", images)
    photos = TrainingPhotos(
        pixels, (), labels, np.ones(N_CLASSES, np.float32), 0.1, Augmentation("standard")
    )
    around = {
        "save_every_steps": changes.pop("save_every_steps", 2),
        "checkpoint_uri": changes.pop("checkpoint_uri", ""),
    }
    schedule = Schedule(
        stage="network", epochs=3, batch_size=8, learning_rate=0.02, weight_decay=0.01,
        ema_decay=0.9, patience=2, seed=3,
    )  # fmt: skip
    schedule = replace(schedule, **changes)
    surroundings = Surroundings(checkpoints=checkpoints, **around)
    validation = Validation(packed(folder / "val", images[:9]), labels[:9])
    history = train(network, photos, validation, schedule, surroundings=surroundings)
    return network, history


def _same(one: Any, other: Any) -> bool:
    pairs = zip(one.get_weights(), other.get_weights(), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("cut_after", [1, 2, 5])
def test_a_training_that_is_cut_after_a_save_goes_on_to_the_same_weights_and_rows(
    tmp_path: Path, cut_after: int
) -> None:
    expected, rows = _train(tmp_path / "undisturbed", None)
    with pytest.raises(PowerCutError):
        _train(tmp_path / "cut", CutOff(tmp_path / "states", cut_after))
    network, rows_after = _train(
        tmp_path / "on", Checkpoints(str(tmp_path / "states"), {"seed": 3})
    )
    assert _same(network, expected)
    measured = {"seconds", "images_per_s", "input_wait_share"}
    for row, after in zip(rows, rows_after, strict=True):
        assert {k: v for k, v in row.items() if k not in measured} == {
            k: v for k, v in after.items() if k not in measured
        }


def test_a_training_that_was_through_is_not_done_again(tmp_path: Path) -> None:
    expected, rows = _train(tmp_path / "1", Checkpoints(str(tmp_path / "states"), {"seed": 3}))
    before = sorted(p.name for p in (tmp_path / "states").iterdir())
    network, again = _train(tmp_path / "2", Checkpoints(str(tmp_path / "states"), {"seed": 3}))
    assert _same(network, expected)
    assert again == rows  # the seconds too: they were read
    assert sorted(p.name for p in (tmp_path / "states").iterdir()) == before


def test_a_state_of_other_settings_is_refused_by_name(tmp_path: Path) -> None:
    _train(tmp_path / "1", Checkpoints(str(tmp_path / "states"), {"lr_student": 0.02}), epochs=1)
    with pytest.raises(ArtifactError, match=r"lr_student 0\.02, not 0\.01"):
        _train(tmp_path / "2", Checkpoints(str(tmp_path / "states"), {"lr_student": 0.01}))


def test_a_loss_that_is_no_number_leaves_the_last_good_state(tmp_path: Path) -> None:
    place = tmp_path / "states"
    _train(tmp_path / "1", Checkpoints(str(place), {"seed": 3}), epochs=1)
    good = Checkpoints(str(place), {"seed": 3}).latest()
    with pytest.raises(TrainingError, match=r"in step \d of epoch \d, at learning rate"):
        _train(
            tmp_path / "2", Checkpoints(str(place), {"seed": 3}),
            epochs=3, learning_rate=1e30, weight_decay=0.0,
        )  # fmt: skip
    kept = Checkpoints(str(place), {"seed": 3}).latest()
    assert good is not None
    assert kept is not None
    assert all(np.isfinite(values).all() for values in kept.arrays.values())
    assert kept.progress["epochs"] >= good.progress["epochs"]


STEEP_FALL = [
    # The first step breaks the weights; what is looked at first finds it.
    (
        {"batch_size": 24, "save_every_steps": 1},
        "weights of network are no numbers after step 1 of epoch 1: try a tenth of 0.02.",
    ),
    (
        {"batch_size": 24},
        "the validation loss of network is nan after epoch 1: try a tenth of 0.02.",
    ),
    # 6 steps in all: the first has the highest rate, 5 fall: 0.02 * (1 + cos(pi / 6)) / 2.
    (
        {"batch_size": 12, "checkpoint_uri": "s3://b/states"},
        "the loss of network is nan in step 2 of epoch 1, at learning rate 0.0187: try a tenth of "
        "0.02, with another checkpoint_uri or the states there deleted.",
    ),
]


@pytest.mark.parametrize(("settings", "sentence"), STEEP_FALL)
def test_weights_that_are_no_numbers_are_never_saved(
    tmp_path: Path, settings: dict[str, Any], sentence: str
) -> None:
    from edgedistill.tf.runtime import keras, tf

    @tf.custom_gradient
    def steep(logits: Any) -> Any:
        return tf.identity(logits), lambda gradient: gradient * np.inf

    class Cliff(keras.layers.Layer):  # type: ignore[misc]
        """Logits as they are, with a gradient that is infinite."""

        def call(self, logits: Any) -> Any:
            return steep(logits)

    def network() -> Any:
        inputs = keras.Input((16, 16, 3))
        x = keras.layers.GlobalAveragePooling2D(name="pool")(inputs)
        return keras.Model(inputs, Cliff()(keras.layers.Dense(N_CLASSES, name="logits")(x)))

    states = Checkpoints(str(tmp_path / "states"), {"seed": 3})
    with pytest.raises(TrainingError) as error:
        _train(tmp_path, states, network=network, weight_decay=0.0, **settings)
    assert str(error.value) == sentence
    assert states.latest() is None


@pytest.mark.parametrize(("kind", "kills"), [("teacher", 6), ("student", 7), ("qat", 7)])
def test_a_training_that_is_killed_at_random_ends_with_the_same_bytes(
    tmp_path: Path, kind: str, kills: int
) -> None:
    command = [sys.executable, "-m", "tests.tf.interrupted_training"]
    done = subprocess.run(
        [*command, str(tmp_path), kind, str(kills), "11"],
        cwd=REPOSITORY, capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    expected, found = done.stdout.splitlines()[-2:]
    assert found.endswith(f"after {kills} interruptions")
    assert found.split()[0] == expected.split()[0]


def _hungry(most_photos: int) -> Any:
    """The tiny network with a layer for which no machine has memory beyond so many photos."""
    from edgedistill.tf.runtime import keras, tf

    class Hungry(keras.layers.Layer):  # type: ignore[misc]
        def call(self, features: Any) -> Any:
            too_many = tf.shape(features)[0] > most_photos
            petabyte = tf.cast(tf.where(too_many, 2**48, 1), tf.int64)
            return features + 0.0 * tf.reduce_sum(tf.zeros(petabyte[None]))

    inputs = keras.Input((16, 16, 3))
    x = keras.layers.Conv2D(4, 3, 2, use_bias=False)(inputs)
    x = Hungry()(keras.layers.GlobalAveragePooling2D(name="pool")(x))
    return keras.Model(inputs, keras.layers.Dense(N_CLASSES, name="logits")(x))


def test_a_batch_that_memory_does_not_hold_is_halved_and_said_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings: dict[str, Any] = {"batch_size": 12, "patience": 0}
    plain, rows = _train(tmp_path / "1", None, network=lambda: _hungry(100), **settings)
    with caplog.at_level("WARNING"):
        tight, tight_rows = _train(tmp_path / "2", None, network=lambda: _hungry(9), **settings)
    assert "memory ran out: network goes on from epoch 1, step 1 with 6 photos" in caplog.text
    assert [row["photos_at_once"] for row in tight_rows] == [6] * len(tight_rows)
    for row, tight_row in zip(rows, tight_rows, strict=True):
        assert tight_row["loss"] == pytest.approx(row["loss"], rel=1e-3)
    for one, other in zip(plain.get_weights(), tight.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-3)


def test_a_batch_goes_down_to_single_photos_whatever_its_size(tmp_path: Path) -> None:
    # 24 photos in batches of at most 5: four of 5 and one of 4.
    _, rows = _train(tmp_path, None, network=lambda: _hungry(1), batch_size=5, patience=0)
    assert [row["photos_at_once"] for row in rows] == [1] * 3
    assert rows[-1]["val_accuracy"] > 0  # the validation too: its 9 photos one by one


def test_a_photo_that_memory_does_not_hold_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="memory does not hold the training of a single photo"):
        _train(tmp_path, None, network=lambda: _hungry(0))


def test_memory_that_runs_out_in_validation_leaves_the_batches_whole(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    plain, rows = _train(tmp_path / "1", None, network=lambda: _hungry(100), batch_size=8)
    with caplog.at_level("WARNING"):
        tight, tight_rows = _train(
            tmp_path / "2", None, network=lambda: _hungry(8), batch_size=8
        )  # fmt: skip
    # 9 validation photos do not fit, 4 do; they are halved once for all three epochs.
    assert caplog.text.count("memory ran out: 4 photos at once are asked about") == 1
    assert caplog.text.count("memory ran out") == 1
    assert [row["photos_at_once"] for row in tight_rows] == [8] * len(tight_rows)
    assert [r["val_loss"] for r in tight_rows] == pytest.approx([r["val_loss"] for r in rows])
    assert _same(plain, tight)


def test_a_step_that_ran_out_of_memory_leaves_nothing_behind(tmp_path: Path) -> None:
    from edgedistill.tf.runtime import keras, tf

    class Counting(keras.layers.Layer):  # type: ignore[misc]
        """Counts its passes in the network's own weights, as statistics do."""

        def build(self, shape: Any) -> None:
            self.passes = self.add_weight("passes", (), trainable=False, initializer="zeros")

        def call(self, images: Any, training: bool = False) -> Any:
            with tf.control_dependencies([self.passes.assign_add(1.0 if training else 0.0)]):
                return tf.identity(images)

    def network() -> Any:
        inputs = keras.Input((16, 16, 3))
        return keras.Model(inputs, _hungry(6)(Counting(name="counting")(inputs)))

    # A batch of 24 is tried whole and halved before it is learned from in 4 parts.
    counted, _ = _train(tmp_path, None, network=network, batch_size=24, epochs=1)
    assert counted.get_layer("counting").get_weights() == [4]


def test_a_photo_that_memory_does_not_hold_cannot_be_asked_about(tmp_path: Path) -> None:
    from edgedistill.tf.inference import Predictor

    images, _ = colour_photos(3, seed=0)
    with pytest.raises(TrainingError, match="memory does not hold a single photo's way through"):
        Predictor(_hungry(0)).outputs(packed(tmp_path / "p", images))


@pytest.mark.parametrize(
    ("save_every_steps", "goes_on", "n_passes"),
    [
        # Three steps a pass, of which the third fails, and two halves of each of three steps.
        (0, "epoch 1, step 1", 3 + 3 * 3 * 2),
        # Two steps were saved and are not made again.
        (2, "epoch 1, step 3", 3 + (3 * 3 - 2) * 2),
    ],
)
def test_memory_that_runs_out_in_the_middle_of_an_epoch_halves_its_batches_from_what_is_held(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    save_every_steps: int,
    goes_on: str,
    n_passes: int,
) -> None:
    from edgedistill.tf.runtime import keras, tf

    passes = tf.Variable(0, trainable=False)

    class Filling(keras.layers.Layer):  # type: ignore[misc]
        """Another program takes the memory in the third pass, and gives it back."""

        def call(self, features: Any, training: bool = False) -> Any:
            number = passes.assign_add(1) if training else tf.constant(0)
            petabyte = tf.cast(tf.where(number == 3, 2**48, 1), tf.int64)
            return features + 0.0 * tf.reduce_sum(tf.zeros(petabyte[None]))

    def network() -> Any:
        inputs = keras.Input((16, 16, 3))
        x = Filling()(keras.layers.GlobalAveragePooling2D(name="pool")(inputs))
        return keras.Model(inputs, keras.layers.Dense(N_CLASSES, name="logits")(x))

    with caplog.at_level("WARNING"):
        tight, rows = _train(
            tmp_path / "1", Checkpoints(str(tmp_path / "states"), {"seed": 3}), network=network,
            save_every_steps=save_every_steps, patience=0,
        )  # fmt: skip
    assert f"memory ran out: network goes on from {goes_on} with 4 photos at once" in caplog.text
    assert [row["photos_at_once"] for row in rows] == [4] * 3
    assert passes.numpy() == n_passes
    # Nothing of this network draws masks or follows statistics: it learns the same.
    plain, plain_rows = _train(tmp_path / "2", None, network=network, patience=0)
    for row, plain_row in zip(rows, plain_rows, strict=True):
        assert row["loss"] == pytest.approx(plain_row["loss"], rel=1e-3)
    for one, other in zip(plain.get_weights(), tight.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-3)
