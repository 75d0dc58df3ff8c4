"""What a training has around it: states, threads, XLA, logs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from edgedistill.tf.common_settings import SurroundingSettings
from edgedistill.tf.devices import uses_xla
from edgedistill.tf.training_state import Checkpoints


@dataclass(frozen=True)
class Surroundings:
    """What a training has around it: none of it changes what is learned, but by rounding.

    Attributes:
        checkpoints: where its state is saved; None: nowhere.
        checkpoint_uri: that place as it was wished; "": it follows from the settings.
        save_every_steps: steps between two saves within an epoch; 0: at its end alone.
        data_workers: threads that make batches.
        compile_xla: whether XLA compiles the step.
        tensorboard: folder for TensorBoard logs; None: none are written.
    """

    checkpoints: Checkpoints | None = None
    checkpoint_uri: str = ""
    save_every_steps: int = 0
    data_workers: int = 1
    compile_xla: bool = False
    tensorboard: Path | None = None

    @classmethod
    def of(
        cls, settings: SurroundingSettings, checkpoints: Checkpoints | None, curves: Path
    ) -> Self:
        """From a step's settings.

        Args:
            settings: threads, how often to save, whether to write TensorBoard logs, XLA.
            checkpoints: where to save.
            curves: the folder for those logs.
        """
        return cls(
            checkpoints=checkpoints,
            checkpoint_uri=settings.checkpoint_uri,
            save_every_steps=settings.checkpoint_steps,
            data_workers=settings.data_workers,
            compile_xla=uses_xla(settings.xla),
            tensorboard=curves if settings.save_tensorboard else None,
        )
