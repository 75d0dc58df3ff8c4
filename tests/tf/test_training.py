"""The training loop on a tiny network: it learns, keeps the best epoch, and repeats itself."""

import logging
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgedistill.errors import TrainingError
from edgedistill.logs import PROGRESS_VARIABLE
from tests.tf.tiny import N_CLASSES, colour_photos, packed, tiny_network

pytestmark = pytest.mark.slow

SCHEDULE_OPTIONS = {"body_rate", "ema_decay", "patience", "lr_schedule", "warmup_frac"}


def _train(folder: Path, **changes: Any) -> tuple[Any, Any, list[dict[str, Any]]]:
    from edgedistill.tf.batches import TrainingPhotos
    from edgedistill.tf.inference import Validation
    from edgedistill.tf.optimizers import Schedule
    from edgedistill.tf.runtime import seed_everything
    from edgedistill.tf.training import train

    seed_everything(3)
    network = tiny_network()
    images, labels = colour_photos(60, seed=0)
    pixels = packed(folder / "train", images)
    validation_images, validation_labels = colour_photos(21, seed=1)
    validation = Validation(packed(folder / "val", validation_images), validation_labels)
    taught = (pixels,) if "distillation" in changes else ()
    photos = TrainingPhotos(
        pixels, taught, labels, np.ones(N_CLASSES, np.float32), **changes.pop("photos", {})
    )
    schedule = Schedule(
        stage="network",
        epochs=changes.pop("epochs", 6),
        batch_size=changes.pop("batch_size", 8),
        learning_rate=changes.pop("learning_rate", 0.02),
        weight_decay=changes.pop("weight_decay", 0.0),
        seed=3,
        **{name: changes.pop(name) for name in SCHEDULE_OPTIONS & changes.keys()},
    )
    history = train(network, photos, validation, schedule, **changes)
    return network, validation, history


def _judged(network: Any, validation: Any) -> dict[str, float]:
    from edgedistill.tf.inference import Predictor, judge

    return judge(Predictor(network).outputs(validation.pixels), validation.label_indices)


def test_it_learns_to_tell_colours(tmp_path: Path) -> None:
    _, _, history = _train(tmp_path)
    # Three colours: guessing is right on a third.
    assert max(row["val_accuracy"] for row in history) > 0.9
    assert history[-1]["loss"] < history[0]["loss"]


def test_the_network_is_left_with_the_weights_of_its_best_epoch(tmp_path: Path) -> None:
    from edgedistill.tf.training import best_row

    # A rate far too high at the end makes the last epoch differ from the best.
    network, validation, history = _train(tmp_path, epochs=5, learning_rate=0.3)
    best = best_row(history)
    assert best["val_loss"] == min(row["val_loss"] for row in history)
    left = _judged(network, validation)
    assert left["val_accuracy"] == best["val_accuracy"]
    assert left["val_loss"] == pytest.approx(best["val_loss"], rel=1e-5)


def test_training_ends_once_the_validation_loss_has_not_fallen_for_some_epochs(
    tmp_path: Path,
) -> None:
    # A rate of next to nothing: each epoch's loss is the first one's, within rounding, and labels
    # that say nothing let none be better for long.
    _, _, history = _train(tmp_path, epochs=40, learning_rate=0.5, patience=2)
    best = int(np.argmin([row["val_loss"] for row in history]))
    assert len(history) < 40
    assert len(history) == best + 1 + 2


def test_the_average_of_the_weights_is_what_is_judged_and_kept(tmp_path: Path) -> None:
    network, validation, history = _train(tmp_path / "averaged", epochs=3, ema_decay=0.9)
    own, _, _ = _train(tmp_path / "own", epochs=3)
    left = _judged(network, validation)
    best = min(history, key=lambda row: row["val_loss"])
    assert left["val_loss"] == pytest.approx(best["val_loss"], rel=1e-5)
    # The average lags behind the weights, which without it are left as they are.
    kernels = [n.get_layer("logits").get_weights()[0] for n in (network, own)]
    assert not np.allclose(*kernels)


def test_statistics_of_trained_batch_normalisation_are_averaged_with_the_weights(
    tmp_path: Path,
) -> None:
    one_step = {"epochs": 1, "batch_size": 60}
    network, _, _ = _train(tmp_path / "averaged", ema_decay=0.98, **one_step)
    own, _, _ = _train(tmp_path / "own", **one_step)
    # In the first step the decay is (1 + 0) / (10 + 0): a tenth of the start is left.
    for variable, start in (("moving_mean", 0.0), ("moving_variance", 1.0)):
        layers = (n.get_layer("stem_bn") for n in (network, own))
        averaged, after = (getattr(layer, variable).numpy() for layer in layers)
        assert not np.allclose(after, start)
        np.testing.assert_allclose(averaged, 0.1 * start + 0.9 * after, rtol=1e-5)


def test_the_same_seed_gives_the_same_weights(tmp_path: Path) -> None:
    first, _, _ = _train(tmp_path / "1", epochs=2)
    second, _, _ = _train(tmp_path / "2", epochs=2)
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_body_rate_of_zero_trains_the_head_alone(tmp_path: Path) -> None:
    trained, _, _ = _train(tmp_path, epochs=1, body_rate=0.0)
    untrained = _untrained()
    for name in ("stem_conv", "body_conv", "depthwise_conv"):
        np.testing.assert_array_equal(
            trained.get_layer(name).get_weights()[0], untrained.get_layer(name).get_weights()[0]
        )
    assert not np.array_equal(
        trained.get_layer("logits").get_weights()[0],
        untrained.get_layer("logits").get_weights()[0],
    )


def test_a_student_of_a_teacher_alone_learns_the_teachers_answers(tmp_path: Path) -> None:
    from edgedistill.tf.inference import Predictor
    from edgedistill.tf.teachers import Teachers
    from edgedistill.tf.training_step import Distillation

    teacher, _, _ = _train(tmp_path / "teacher")
    # The teacher's answers turned round: what the labels say would be another class each time.
    kernel, bias = teacher.get_layer("logits").get_weights()
    teacher.get_layer("logits").set_weights([np.roll(kernel, 1, axis=1), np.roll(bias, 1)])
    student, validation, _ = _train(
        tmp_path / "student",
        distillation=Distillation(Teachers((teacher,)), alpha=0.0, temperature=2.0),
    )
    answers = Predictor(student).outputs(validation.pixels).argmax(axis=1)
    turned = (validation.label_indices + 1) % N_CLASSES
    # The best epoch is chosen on labels, which this teacher contradicts; no epoch comes near them.
    assert np.mean(answers == turned) > np.mean(answers == validation.label_indices)


def test_tensorboard_logs_hold_the_figures_of_every_epoch(tmp_path: Path) -> None:
    from edgedistill.tf.surroundings import Surroundings

    _, _, history = _train(
        tmp_path, epochs=2, surroundings=Surroundings(tensorboard=tmp_path / "logs")
    )
    (events,) = (tmp_path / "logs").iterdir()
    assert events.name.startswith("events.out.tfevents")
    drawn = _scalars(events)
    for name in ("loss", "val_loss", "val_accuracy", "train_accuracy", "lr", "images_per_s"):
        expected = {row["epoch"]: row[name] for row in history}
        assert drawn[name] == pytest.approx(expected, rel=1e-6)


def _scalars(events: Path) -> dict[str, dict[int, float]]:
    """Of each name the values by epoch, as TensorBoard reads them."""
    from edgedistill.tf.runtime import tf

    found: dict[str, dict[int, float]] = {}
    for event in tf.compat.v1.train.summary_iterator(str(events)):
        for value in event.summary.value:
            number = float(tf.make_ndarray(value.tensor))
            found.setdefault(value.tag, {})[event.step] = number
    return found


def test_a_loss_that_is_no_number_ends_the_training_by_name(tmp_path: Path) -> None:
    with pytest.raises(
        TrainingError, match=r"in step \d+ of epoch \d, at learning rate .*: try a tenth of 1e\+30"
    ):
        _train(tmp_path, epochs=3, learning_rate=1e30)


def test_a_training_of_one_step_trains(tmp_path: Path) -> None:
    trained, _, history = _train(tmp_path, epochs=1, batch_size=60, learning_rate=0.01)
    before = _untrained().get_layer("stem_conv").get_weights()[0]
    # Adam's first step moves each weight by the rate, whatever the gradient.
    moved = np.abs(trained.get_layer("stem_conv").get_weights()[0] - before)
    assert np.median(moved) == pytest.approx(0.01, rel=0.05)
    assert history[0]["lr"] == pytest.approx(0.01)


def test_the_rate_warms_up_over_a_tenth_and_falls_by_a_cosine(tmp_path: Path) -> None:
    _, _, history = _train(tmp_path, epochs=5, learning_rate=0.01)
    # 60 photos in batches of 8: 8 steps a pass, 40 in all; the rate is highest in step 4, the
    # last of the warm-up. After it 37 steps fall: pass 3 begins at step 17, 13 after the highest.
    assert history[0]["lr"] == pytest.approx(0.01)
    expected = 0.01 * 0.5 * (1 + np.cos(np.pi * 13 / 37))
    assert history[2]["lr"] == pytest.approx(expected, rel=1e-5)


def test_a_constant_rate_stays_where_the_warm_up_ends(tmp_path: Path) -> None:
    _, _, history = _train(
        tmp_path, epochs=4, learning_rate=0.01, lr_schedule="constant", warmup_frac=0.5
    )
    # 32 steps in all, of which 16, two passes, rise to the highest.
    assert [row["lr"] for row in history] == pytest.approx([0.005, 0.01, 0.01, 0.01])


@pytest.mark.parametrize(
    ("warmup_frac", "first_rates"),
    [(0.0, [0.01, 0.01 * 0.5 * (1 + np.cos(np.pi / 8))]), (0.5, [0.0025, 0.005, 0.0075, 0.01])],
)
def test_the_warm_up_takes_its_share_of_the_steps_or_none(
    warmup_frac: float, first_rates: list[float]
) -> None:
    from edgedistill.tf.optimizers import Optimizers, Schedule

    # One pass of 8 steps; without a warm-up the cosine begins in the first of them.
    schedule = Schedule(
        stage="network", epochs=1, batch_size=8, learning_rate=0.01, warmup_frac=warmup_frac,
        weight_decay=0.0, seed=3,
    )  # fmt: skip
    optimizers = Optimizers(tiny_network(), schedule, 8)
    found = [optimizers.rate(step) for step in range(len(first_rates))]
    assert found == pytest.approx(first_rates, rel=1e-5)


def test_weight_decay_shrinks_kernels_apart_from_the_gradient_and_spares_biases(
    tmp_path: Path,
) -> None:
    one_step = {"epochs": 1, "batch_size": 60, "learning_rate": 0.01}
    plain, _, _ = _train(tmp_path / "plain", **one_step)
    decayed, _, _ = _train(tmp_path / "decayed", weight_decay=0.5, **one_step)
    # AdamW: the step of Adam, and each weight less rate * decay of itself.
    for name in ("stem_conv", "depthwise_conv", "logits"):
        start, without, with_decay = (
            n.get_layer(name).get_weights()[0] for n in (_untrained(), plain, decayed)
        )
        np.testing.assert_allclose(with_decay - without, -0.01 * 0.5 * start, atol=1e-6)
    spared = [("logits", 1), ("stem_bn", 0), ("stem_bn", 1)]  # bias, gamma, beta
    for name, number in spared:
        values = [n.get_layer(name).get_weights()[number] for n in (plain, decayed)]
        np.testing.assert_array_equal(*values)


def test_an_epoch_is_told_in_one_line_of_what_was_learned_and_how_fast(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "edgedistill")
    _, _, history = _train(tmp_path, epochs=3)
    told = [line for line in caplog.messages if " epoch " in line]
    assert len(told) == 3
    row, seconds = history[1], history[1]["seconds"]
    assert told[1] == (
        f"network epoch 2/3 loss={row['loss']:.3f} val_loss={row['val_loss']:.3f} "
        f"val_accuracy={row['val_accuracy']:.3f} lr={row['lr']:.1e} {row['images_per_s']:.1f} "
        f"images/s {seconds:.1f} s, {seconds:.0f} s left"
    )
    # 60 photos an epoch, whose steps take most of its seconds.
    assert 60 / seconds <= row["images_per_s"]


def test_parts_of_the_loss_are_told_where_a_teacher_teaches(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from edgedistill.tf.teachers import Teachers
    from edgedistill.tf.training_step import Distillation

    teacher, _, _ = _train(tmp_path / "teacher", epochs=1)
    caplog.set_level(logging.INFO, "edgedistill")
    taught = Distillation(Teachers((teacher,)), alpha=0.25, temperature=2.0)
    _, _, (row,) = _train(tmp_path / "student", epochs=1, distillation=taught)
    parts = f"(hard {row['hard_loss']:.3f}, distillation {row['distillation_loss']:.3f})"
    assert f"loss={row['loss']:.3f} {parts} val_loss=" in caplog.text
    assert row["loss"] == pytest.approx(
        0.25 * row["hard_loss"] + 0.75 * row["distillation_loss"], rel=1e-5
    )


def test_steps_move_a_bar_on_where_somebody_watches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _train(tmp_path / "alone", epochs=1)
    assert capsys.readouterr().err == ""
    monkeypatch.setenv(PROGRESS_VARIABLE, "1")
    _train(tmp_path / "watched", epochs=2)
    shown = capsys.readouterr().err
    # The first step has its graph traced: long enough for the bar to be drawn anew after it.
    assert re.search(r"network 1/2: +12%.* 1/8 .* steps/s, loss=\d", shown)
    assert "network 2/2:   0%" in shown


def _untrained() -> Any:
    from edgedistill.tf.runtime import seed_everything

    seed_everything(3)
    return tiny_network()
