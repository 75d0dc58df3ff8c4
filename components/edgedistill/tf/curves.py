"""Learning curves for TensorBoard."""

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from edgedistill.tf.networks import HistoryRow
from edgedistill.tf.runtime import tf

_SCALARS = (
    "loss", "hard_loss", "distillation_loss", "train_accuracy", "val_loss", "val_accuracy", "lr",
    "images_per_s",
)  # fmt: skip


class CurveWriter:
    """Writes a row of history a call; those of epochs before an interruption once more at first.

    `folder`: where to write; None: nowhere.
    """

    def __init__(self, folder: Path | None, history: Sequence[HistoryRow]):
        self._writer: Any = tf.summary.create_noop_writer()
        if folder is not None:
            self._writer = tf.summary.create_file_writer(str(folder))
        for row in history:
            self.write(row)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self._writer.close()

    def write(self, row: HistoryRow) -> None:
        """Adds an epoch's figures to the curves; the head's row is no point of them."""
        if row["stage"] == "head":
            return
        with self._writer.as_default():
            for name in _SCALARS:
                tf.summary.scalar(name, float(row[name]), step=int(row["epoch"]))
