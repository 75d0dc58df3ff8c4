"""Steps of as many photos at once as memory holds."""

import logging

import numpy as np
from numpy.typing import NDArray

from edgedistill.errors import TrainingError
from edgedistill.tf.batches import Batch
from edgedistill.tf.runtime import tf
from edgedistill.tf.training_state import TrainingState
from edgedistill.tf.training_step import TrainingStep, most_parts

_log = logging.getLogger(__name__)


class StepInMemory:
    """A training step that cuts its batch into more parts where memory runs out.

    The first step of an epoch finds out how many: for it alone the state before it is held, to
    undo what a step changed before memory ran out. The steps after it need no more, as no batch
    of an epoch is larger than its first one; should memory run out there all the same, the
    training ends in words.
    """

    def __init__(
        self, step: TrainingStep, state: TrainingState, stage: str, *, largest_batch: int,
        is_saved: bool,
    ):  # fmt: skip
        """Args:
        step: the step.
        state: all that it changes; counts the steps, and remembers the parts.
        stage: name of the training in log and errors.
        largest_batch: photos of the largest batch.
        is_saved: whether the training's state is saved, so that it can go on.
        """
        self._step, self._state, self._stage = step, state, stage
        self._largest_batch, self._is_saved = largest_batch, is_saved

    def __call__(self, batch: Batch, view: int, *, is_first: bool) -> NDArray[np.float64]:
        """What `TrainingStep` gives; `is_first`: whether it is the first one of an epoch.

        Raises:
            TrainingError: memory does not hold a single photo, or no longer what it held before.
        """
        before = self._state.arrays() if is_first else None
        while True:
            try:
                return self._step(batch, view, self._state.progress.n_parts)
            except tf.errors.ResourceExhaustedError:
                if before is None:
                    raise TrainingError(self._memory_taken()) from None
                self._cut_into_more_parts()
            self._state.restore_arrays(before)

    @property
    def photos_at_once(self) -> int:
        """Photos of the largest part."""
        return -(-self._largest_batch // self._state.progress.n_parts)

    def _cut_into_more_parts(self) -> None:
        """Halves the photos at once, down to one."""
        progress, most = self._state.progress, most_parts(self._largest_batch)
        if progress.n_parts >= most:
            raise TrainingError(
                "memory does not hold the training of a single photo: use smaller images "
                "(student_img_size, teacher_img_size), or a machine with more memory."
            )
        progress.n_parts = min(2 * progress.n_parts, most)
        _log.warning(
            "memory ran out: %s goes on from epoch %d, step %d with %d photos at once, whose "
            "gradients are added up to those of a batch",
            self._stage, progress.epochs + 1, progress.steps + 1, self.photos_at_once,
        )  # fmt: skip

    def _memory_taken(self) -> str:
        progress = self._state.progress
        onward = "; it goes on from the last saved state" if self._is_saved else ""
        return (
            f"memory ran out in step {progress.steps + 1} of epoch {progress.epochs + 1} of "
            f"{self._stage}, though it held the steps before: end what else takes it, and start "
            f"the same command again{onward}."
        )
