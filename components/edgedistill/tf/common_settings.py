"""What the three trainings read of their steps' settings, under the names these have everywhere.

`tf` does not import the settings; whatever has these attributes will do.
"""

from typing import Protocol


class CommonSettings(Protocol):
    """As in `settings.Trained`."""

    @property
    def seed(self) -> int: ...
    @property
    def batch_size(self) -> int: ...
    @property
    def weight_decay(self) -> float: ...
    @property
    def use_class_weights(self) -> bool: ...
    @property
    def augment_flip(self) -> bool: ...


class DistillationSettings(Protocol):
    """As in `settings.Distilled`."""

    @property
    def distill_alpha(self) -> float: ...
    @property
    def distill_temperature(self) -> float: ...
