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
    from edgedistill.tf.training import Surroundings, train

    seed_everything(3)
    network = changes.pop("network", tiny_network)()
    images, labels = colour_photos(24, seed=0)
    pixels = packed(folder / "train", images)
    photos = TrainingPhotos(
        pixels, (), labels, np.ones(N_CLASSES, np.float32), 0.1, Augmentation("standard")
    )
    schedule = Schedule(
        stage="network", epochs=3, batch_size=8, learning_rate=0.02, weight_decay=0.01,
        ema_decay=0.9, patience=2, seed=3,
    )  # fmt: skip
    schedule = replace(schedule, **changes)
    surroundings = Surroundings(checkpoints=checkpoints, save_every_steps=2)
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


def test_weights_that_are_no_numbers_are_never_saved(tmp_path: Path) -> None:
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
    with pytest.raises(TrainingError, match="the loss of network is nan"):
        _train(tmp_path, states, network=network, batch_size=24, weight_decay=0.0)
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
    assert "memory ran out: epoch 1 begins again with 6 photos at once" in caplog.text
    assert [row["photos_at_once"] for row in tight_rows] == [6] * len(tight_rows)
    for row, tight_row in zip(rows, tight_rows, strict=True):
        assert tight_row["loss"] == pytest.approx(row["loss"], rel=1e-3)
    for one, other in zip(plain.get_weights(), tight.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-3)


def test_a_photo_that_memory_does_not_hold_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="memory does not hold the training of a single photo"):
        _train(tmp_path, None, network=lambda: _hungry(0))
