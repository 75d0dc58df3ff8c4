"""The moving average of a network's weights, which wavers less than the weights themselves."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from edgedistill.tf.runtime import tf


class WeightAverage:
    """An exponential moving average of variables, updated after each step.

    In step n the decay is at most (1 + n) / (10 + n), so that the start is soon forgotten.

    Source: Polyak and Juditsky 1992; the decay's start is that of TensorFlow's own average.
    """

    def __init__(self, variables: list[Any], decay: float):
        self._variables = variables
        self._decay = decay
        self._shadows = [tf.Variable(v, trainable=False) for v in variables]
        self._n_steps = tf.Variable(0, trainable=False, dtype=tf.int64)

    @property
    def state(self) -> list[Any]:
        """The variables that a checkpoint must hold."""
        return [*self._shadows, self._n_steps]

    def restart(self) -> None:
        """Begins anew from the weights as they are now."""
        for shadow, variable in zip(self._shadows, self._variables, strict=True):
            shadow.assign(variable)
        self._n_steps.assign(0)

    def update(self) -> None:
        """Takes the weights of the step that was just made; may be part of a graph."""
        n = tf.cast(self._n_steps, tf.float32)
        decay = tf.minimum(self._decay, (1 + n) / (10 + n))
        for shadow, variable in zip(self._shadows, self._variables, strict=True):
            shadow.assign_sub((1 - decay) * (shadow - variable))
        self._n_steps.assign_add(1)

    @contextmanager
    def shown(self) -> Iterator[None]:
        """The network has the average for its weights while inside, and its own afterwards."""
        own = [tf.identity(v) for v in self._variables]
        for variable, shadow in zip(self._variables, self._shadows, strict=True):
            variable.assign(shadow)
        try:
            yield
        finally:
            for variable, value in zip(self._variables, own, strict=True):
                variable.assign(value)
