"""Learning curves for TensorBoard."""

import contextlib
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from edgedistill.tf.networks import HistoryRow
from edgedistill.tf.runtime import tf

_SCALARS = (
    "loss", "hard_loss", "distillation_loss", "train_accuracy", "val_loss", "val_accuracy", "lr",
    "images_per_s",
)  # fmt: skip

_log = logging.getLogger(__name__)


class CurveWriter:
    """Writes a row of history a call; those of epochs before an interruption once more at first.

    A training does not end for its curves, which its report has too: where they cannot be written
    the log says so and they end.

    `folder`: where to write; None: nowhere.
    """

    def __init__(self, folder: Path | None, history: Sequence[HistoryRow]):
        self._writer: Any = None
        if folder is not None:
            with self._or_none():
                self._writer = tf.summary.create_file_writer(str(folder))
        for row in history:
            self.write(row)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        if self._writer is not None:
            with self._or_none():
                self._writer.close()

    def write(self, row: HistoryRow) -> None:
        """Adds an epoch's figures to the curves; the head's row is no point of them."""
        if self._writer is None or row["stage"] == "head":
            return
        with self._or_none(), self._writer.as_default():
            for name in _SCALARS:
                tf.summary.scalar(name, float(row[name]), step=int(row["epoch"]))

    @contextlib.contextmanager
    def _or_none(self) -> Iterator[None]:
        """Without a writer from then on where it fails."""
        try:
            yield
        except tf.errors.OpError as error:
            self._writer = None
            reason = error.message.splitlines()[0].rpartition("}} ")[2]
            _log.warning("the training goes on without TensorBoard logs: %s", reason)
