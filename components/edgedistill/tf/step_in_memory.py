"""Steps of as many photos at once as memory holds."""

import logging
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgedistill.errors import TrainingError
from edgedistill.tf.batches import Batch
from edgedistill.tf.runtime import tf
from edgedistill.tf.training_state import Arrays, TrainingState
from edgedistill.tf.training_step import TrainingStep, most_parts

_log = logging.getLogger(__name__)

OUT_OF_MEMORY = tf.errors.ResourceExhaustedError
"""What a step raises for which memory does not suffice, on CPUs and on GPUs."""


class StepInMemory:
    """A training step that cuts its batch into more parts once memory ran out.

    A step that ran out of memory may have changed a part of the state. So the state is held from
    time to time, and the training goes back to it.
    """

    def __init__(self, step: TrainingStep, state: TrainingState, stage: str, *, largest_batch: int):
        """Args:
        step: the step.
        state: all that it changes; counts the steps, and remembers the parts.
        stage: name of the training in log and errors.
        largest_batch: photos of the largest batch.
        """
        self._step, self._state, self._stage = step, state, stage
        self._largest_batch = largest_batch
        self._held: tuple[Arrays, dict[str, Any]] | None = None

    def __call__(self, batch: Batch, view: int) -> NDArray[np.float64]:
        """What `TrainingStep` gives.

        Raises:
            OUT_OF_MEMORY: memory does not hold the parts; `go_back` is to be called.
        """
        return self._step(batch, view, self._state.progress.n_parts)

    def hold(self) -> None:
        """Remembers the state as it is, to go back to it."""
        self._held = self._state.copy()

    def go_back(self) -> None:
        """To the state that is held, with half as many photos at once.

        Raises:
            TrainingError: it was a single photo already.
            ValueError: no state is held.
        """
        if self._held is None:
            raise ValueError("a state must be held before the first step; got none")
        n_parts, most = self._state.progress.n_parts, most_parts(self._largest_batch)
        if n_parts >= most:
            raise TrainingError(
                "memory does not hold the training of a single photo: use smaller images "
                "(student_img_size, teacher_img_size), or a machine with more memory."
            )
        self._state.restore(*self._held)
        progress = self._state.progress
        progress.n_parts = min(2 * n_parts, most)
        _log.warning(
            "memory ran out: %s goes on from epoch %d, step %d with %d photos at once, whose "
            "gradients are added up to those of a batch",
            self._stage, progress.epochs + 1, progress.steps + 1, self.photos_at_once,
        )  # fmt: skip

    @property
    def photos_at_once(self) -> int:
        """Photos of the largest part."""
        return -(-self._largest_batch // self._state.progress.n_parts)
