"""All that a training must know to go on as if it had never been interrupted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgedistill.tf.networks import HistoryRow
from edgedistill.tf.training_step import SUMS

Arrays = dict[str, NDArray[Any]]


class SavedState(Protocol):
    """As `checkpoints.Checkpoint`."""

    @property
    def arrays(self) -> Mapping[str, NDArray[Any]]: ...
    @property
    def progress(self) -> Mapping[str, Any]: ...


class Checkpoints(Protocol):
    """As `checkpoints.Checkpoints`, which `tf` does not import."""

    def save(self, arrays: Mapping[str, NDArray[Any]], progress: Mapping[str, Any]) -> None: ...
    def latest(self) -> SavedState | None: ...


@dataclass
class Progress:
    """Where a training stands.

    Attributes:
        epochs: how many are finished.
        steps: those of the next epoch that are made.
        sums: what these gave, as `training_step.SUMS`, added up.
        seconds: their time, of all processes that worked on them.
        waited_s: how much of that was spent waiting for batches.
        n_parts: into how many parts a batch is cut.
        history: the rows so far.
    """

    epochs: int = 0
    steps: int = 0
    sums: list[float] = field(default_factory=lambda: [0.0] * len(SUMS))
    seconds: float = 0.0
    waited_s: float = 0.0
    n_parts: int = 1
    history: list[HistoryRow] = field(default_factory=list)

    def add_step(self, sums: Sequence[float] | NDArray[np.float64]) -> None:
        """Counts a step and adds what it gave."""
        self.steps += 1
        self.sums = [a + float(b) for a, b in zip(self.sums, sums, strict=True)]

    def end_epoch(self, row: HistoryRow) -> None:
        """Counts the epoch that the row tells of."""
        self.epochs += 1
        self.steps, self.sums = 0, [0.0] * len(SUMS)
        self.seconds = self.waited_s = 0.0
        self.history.append(row)

    def as_json(self) -> dict[str, Any]:
        """What `from_json` reads."""
        return {**vars(self), "history": [dict(row) for row in self.history]}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Progress":
        """The progress that `as_json` wrote."""
        return cls(**{**content, "history": [dict(row) for row in content["history"]]})


class TrainingState:
    """The variables of a training, and a copy of the network's at its best epoch."""

    def __init__(self, network: Any, others: Mapping[str, Sequence[Any]]):
        """Args:
        network: the network that is trained.
        others: all other variables that decide how training goes on, by kind.
        """
        self._variables = {"network": network.weights, **others}
        self._network = network
        self._best: list[NDArray[Any]] = []
        self.progress = Progress()

    def keep_as_best(self) -> None:
        """Remembers the network as it is now."""
        self._best = [w.numpy() for w in self._network.weights]

    def show_best(self) -> None:
        """Gives the network the weights that were remembered."""
        for variable, value in zip(self._network.weights, self._best, strict=True):
            variable.assign(value)

    def is_finite(self) -> bool:
        """Whether the network's weights are numbers, all of them."""
        return all(np.isfinite(w.numpy()).all() for w in self._network.weights)

    def arrays(self) -> Arrays:
        """The value of everything, by name."""
        found = {
            _name(kind, number): variable.numpy()
            for kind, variables in self._variables.items()
            for number, variable in enumerate(variables)
        }
        best = {_name("best", number): value for number, value in enumerate(self._best)}
        return {**found, **best}

    def copy(self) -> tuple[Arrays, dict[str, Any]]:
        """All of it as it is now: what `restore` takes."""
        return self.arrays(), self.progress.as_json()

    def restore(self, arrays: Mapping[str, NDArray[Any]], progress: Mapping[str, Any]) -> None:
        """Puts everything back as `arrays` and `Progress.as_json` gave it."""
        for kind, variables in self._variables.items():
            for number, variable in enumerate(variables):
                variable.assign(arrays[_name(kind, number)])
        n_best = sum(name.startswith("best/") for name in arrays)
        self._best = [np.asarray(arrays[_name("best", n)]) for n in range(n_best)]
        self.progress = Progress.from_json(progress)


def _name(kind: str, number: int) -> str:
    return f"{kind}/{number:05d}"
