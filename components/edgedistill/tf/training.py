"""One training loop for all three trainings: teacher, student, and quantisation-aware student.

It can be ended at any moment and goes on from its last saved state to the same bytes.
"""

import logging
import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

from edgedistill.core.best_epoch import best_epoch, epochs_without_gain
from edgedistill.errors import TrainingError
from edgedistill.interruption import Stopped, StopRequest, heeded
from edgedistill.progress import progress_bar
from edgedistill.tf.averages import WeightAverage
from edgedistill.tf.batches import EpochBatches, TrainingPhotos, n_batches
from edgedistill.tf.curves import CurveWriter
from edgedistill.tf.inference import Predictor, Validation, judge
from edgedistill.tf.networks import HistoryRow
from edgedistill.tf.optimizers import Optimizers, Schedule
from edgedistill.tf.random_states import dropout_states
from edgedistill.tf.replicas import n_replicas
from edgedistill.tf.step_in_memory import OUT_OF_MEMORY, StepInMemory
from edgedistill.tf.surroundings import Surroundings
from edgedistill.tf.trained_variables import averaged_variables
from edgedistill.tf.training_state import TrainingState
from edgedistill.tf.training_step import SUMS, Distillation, TrainingStep

_log = logging.getLogger(__name__)


def train(
    network: Any,
    photos: TrainingPhotos,
    validation: Validation,
    schedule: Schedule,
    *,
    prepare: Callable[[], HistoryRow] | None = None,
    distillation: Distillation | None = None,
    surroundings: Surroundings | None = None,
    predictor: Predictor | None = None,
) -> list[HistoryRow]:
    """Trains a network in place and leaves it with the weights of its best epoch.

    The best epoch is that of the lowest validation loss (`core.best_epoch`).

    Args:
        network: Keras network from [0, 255] RGB to logits.
        photos: what to train on, with the teachers' pixels if they are asked in every step.
        validation: what to choose the epoch on.
        schedule: epochs, batch size, learning rate, seed.
        prepare: what comes before the first epoch and gives its row, such as fitting the head; not
            called where a saved state goes on. The network as it leaves it may be the best.
        distillation: the teachers and their weight; None: the hard loss alone.
        surroundings: where the state is saved, threads, TensorBoard.
        predictor: the network's, which whoever asks it before or afterwards has; None: its own.

    Returns:
        The row of `prepare` and one row an epoch: stage, epoch (from 1), loss, hard_loss,
        distillation_loss, train_accuracy, val_loss, val_accuracy, lr (the highest of the epoch),
        images_per_s, input_wait_share, photos_at_once, seconds.

    Raises:
        TrainingError: the loss is no longer finite, or memory does not hold a single photo.
        Stopped: SIGTERM came; the state is saved.
    """
    training = _Training(
        network, photos, validation, schedule, distillation, surroundings or Surroundings(),
        predictor or Predictor(network),
    )  # fmt: skip
    return training.run(prepare)


def best_row(history: list[HistoryRow]) -> HistoryRow:
    """The row whose weights are kept."""
    return history[best_epoch(history)]


class _Training:
    """One training under way; `train` says what its parts are."""

    def __init__(
        self,
        network: Any,
        photos: TrainingPhotos,
        validation: Validation,
        schedule: Schedule,
        distillation: Distillation | None,
        surroundings: Surroundings,
        predictor: Predictor,
    ):
        self._photos, self._validation, self._schedule = photos, validation, schedule
        self._surroundings, self._checkpoints = surroundings, surroundings.checkpoints
        self._n_steps = n_batches(len(photos), schedule.batch_size)
        _require_photos_for_each_replica(len(photos) // self._n_steps)
        self._optimizers = Optimizers(network, schedule, self._n_steps)
        self._average = None
        if schedule.ema_decay > 0:
            self._average = WeightAverage(averaged_variables(network), schedule.ema_decay)
        step = TrainingStep(
            network, self._optimizers, distillation=distillation, average=self._average,
            compile_xla=surroundings.compile_xla,
        )  # fmt: skip
        self._predictor = predictor
        others = {"optimizer": self._optimizers.state, "random": dropout_states(network)}
        if self._average is not None:
            others["average"] = self._average.state
        self._state = TrainingState(network, others)
        self._step = StepInMemory(
            step, self._state, schedule.stage, largest_batch=-(-len(photos) // self._n_steps)
        )
        self._stop: StopRequest | None = None

    def run(self, prepare: Callable[[], HistoryRow] | None) -> list[HistoryRow]:
        """Trains to the end."""
        self._begin(prepare)
        rows = self._state.progress.history
        with (
            CurveWriter(self._surroundings.tensorboard, rows) as curves,
            heeded() if self._checkpoints is not None else nullcontext() as self._stop,
        ):
            try:
                while not self._is_finished():
                    curves.write(self._epoch())
            except Stopped:
                self._save()
                raise
        history = self._state.progress.history
        if history:
            self._state.show_best()
        return history

    def _begin(self, prepare: Callable[[], HistoryRow] | None) -> None:
        """From the saved state, or from the start."""
        saved = None if self._checkpoints is None else self._checkpoints.latest()
        if saved is not None:
            self._state.restore(saved.arrays, saved.progress)
            progress = self._state.progress
            _log.info(
                "%s goes on after epoch %d, step %d",
                self._schedule.stage, progress.epochs, progress.steps,
            )  # fmt: skip
        elif prepare is not None:
            self._state.progress.history.append(prepare())
            if self._average is not None:  # of weights that were not yet those to start from
                self._average.restart()
            self._state.keep_as_best()
            self._save()

    def _is_finished(self) -> bool:
        """Whether all epochs are done, or none is likely to be better."""
        progress, patience = self._state.progress, self._schedule.patience
        if progress.epochs >= self._schedule.epochs:
            return True
        if patience == 0 or not progress.history:
            return False
        ends_early = epochs_without_gain(progress.history) >= patience
        if ends_early:
            _log.info(
                "%s ends after epoch %d of %d: the validation loss has not fallen for %d epochs",
                self._schedule.stage, progress.epochs, self._schedule.epochs, patience,
            )  # fmt: skip
        return ends_early

    def _epoch(self) -> HistoryRow:
        progress, schedule = self._state.progress, self._schedule
        begun, epoch = time.monotonic() - progress.seconds, progress.epochs + 1
        self._learn(epoch, begun)
        progress = self._state.progress  # another one where memory ran out
        trained_s = progress.seconds
        judged = self._judge()
        n_photos = len(self._photos)
        means = dict(zip(SUMS, (total / n_photos for total in progress.sums), strict=True))
        row: HistoryRow = {
            "stage": schedule.stage,
            "epoch": epoch,
            **{name: means[name] for name in SUMS[:-1]},
            "train_accuracy": means[SUMS[-1]],
            **judged,
            "lr": self._optimizers.highest_rate(epoch),
            "images_per_s": n_photos / trained_s,
            "input_wait_share": progress.waited_s / trained_s,
            "photos_at_once": self._step.photos_at_once,
            "seconds": time.monotonic() - begun,
        }
        progress.end_epoch(row)
        self._log_epoch(row)
        self._save()
        return row

    def _learn(self, epoch: int, begun: float) -> None:
        """Makes the steps of an epoch that are not made yet, however often memory runs out."""
        self._step.hold()
        while True:
            try:
                return self._make_steps(epoch, begun)
            except OUT_OF_MEMORY:
                self._step.go_back()

    def _make_steps(self, epoch: int, begun: float) -> None:
        """Makes them, until memory runs out."""
        progress, every_steps = self._state.progress, self._surroundings.save_every_steps
        batches = EpochBatches(
            self._photos, self._schedule.batch_size, seed=self._schedule.seed, epoch=epoch,
            first=progress.steps, workers=self._surroundings.data_workers,
        )  # fmt: skip
        waited_s, view = progress.waited_s, self._photos.view_number(epoch)
        title = f"{self._schedule.stage} {epoch}/{self._schedule.epochs}"
        with progress_bar(title, total=self._n_steps, unit="steps", done=progress.steps) as bar:
            for batch in batches:
                sums = self._step(batch, view)
                self._require_finite_loss(sums[0])
                progress.add_step(sums)
                progress.seconds = time.monotonic() - begun
                progress.waited_s = waited_s + batches.waited_s
                bar.set_postfix(loss=f"{sums[0] / len(batch.rows):.3f}", refresh=False)
                bar.update()
                self._heed_stop()
                if every_steps and progress.steps % every_steps == 0:
                    self._save()
                    self._step.hold()

    def _judge(self) -> dict[str, float]:
        """The network, or the average of its weights, on the validation photos."""
        with nullcontext() if self._average is None else self._average.shown():
            logits = self._predictor.outputs(
                self._validation.pixels, title="validation", between=self._heed_stop
            )
            judged = judge(logits, self._validation.label_indices)
            history, loss = self._state.progress.history, judged["val_loss"]
            if not math.isfinite(loss):
                raise self._astray(
                    f"the validation loss of {self._schedule.stage} is {loss:g} after epoch "
                    f"{self._state.progress.epochs + 1}"
                )
            if best_epoch([*history, judged]) == len(history):
                self._state.keep_as_best()
        return judged

    def _save(self) -> None:
        """Saves the state, if it is a good one: a finite loss may have had infinite gradients."""
        if self._checkpoints is None:
            return
        if not self._state.is_finite():
            done = self._state.progress.epochs * self._n_steps + self._state.progress.steps
            epoch, step = divmod(done - 1, self._n_steps)
            raise self._astray(
                f"weights of {self._schedule.stage} are no numbers after step {step + 1} of epoch "
                f"{epoch + 1}"
            )
        self._checkpoints.save(self._state.arrays(), self._state.progress.as_json())

    def _heed_stop(self) -> None:
        """Ends the training where SIGTERM came; `run` saves what it ends with."""
        if self._stop is not None and self._stop.requested:
            progress = self._state.progress
            raise Stopped(
                f"stopped by SIGTERM in epoch {progress.epochs + 1}, step {progress.steps}; the "
                "same command goes on from there."
            )

    def _require_finite_loss(self, loss: float) -> None:
        """Refuses the loss of the step that comes after those which are counted."""
        if math.isfinite(loss):
            return
        progress = self._state.progress
        rate = self._optimizers.rate(progress.epochs * self._n_steps + progress.steps)
        raise self._astray(
            f"the loss of {self._schedule.stage} is {loss:g} in step {progress.steps + 1} of epoch "
            f"{progress.epochs + 1}, at learning rate {rate:.3g}"
        )

    def _astray(self, what: str) -> TrainingError:
        """What is no number, and what to do."""
        anew = ""
        if self._surroundings.checkpoint_uri:
            anew = ", with another checkpoint_uri or the states there deleted"
        return TrainingError(f"{what}: try a tenth of {self._schedule.learning_rate:g}{anew}.")

    def _log_epoch(self, row: HistoryRow) -> None:
        left_s = float(row["seconds"]) * (self._schedule.epochs - int(row["epoch"]))
        parts = ""
        if row["distillation_loss"]:
            parts = f" (hard {row['hard_loss']:.3f}, distillation {row['distillation_loss']:.3f})"
        _log.info(
            "%s epoch %d/%d loss=%.3f%s val_loss=%.3f val_accuracy=%.3f lr=%.1e %.1f images/s "
            "%.1f s, %.0f s left",
            row["stage"], row["epoch"], self._schedule.epochs, row["loss"], parts, row["val_loss"],
            row["val_accuracy"], row["lr"], row["images_per_s"], row["seconds"], left_s,
        )  # fmt: skip


def _require_photos_for_each_replica(smallest_batch: int) -> None:
    if smallest_batch < n_replicas():
        raise TrainingError(
            f"each batch must have a photo for each of the {n_replicas()} GPUs that train; the "
            f"smallest has {smallest_batch}: raise batch_size, or lower gpu_count."
        )
