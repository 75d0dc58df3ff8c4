"""The trained teachers as one: the mean of their softened probabilities."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgedistill.artifacts import TEACHERS
from edgedistill.datasets import PackedDataset
from edgedistill.tf.folded_pass import FoldedPass
from edgedistill.tf.inference import InferenceGraph
from edgedistill.tf.networks import load_network_for
from edgedistill.tf.runtime import tf


@dataclass(frozen=True)
class Teachers:
    """One network or several, each from [0, 255] RGB at its own size to logits of one length."""

    networks: tuple[Any, ...]

    @property
    def sizes_px(self) -> tuple[int, ...]:
        """The image sizes that the networks take, each once, in the order of the networks."""
        return tuple(dict.fromkeys(_size_px(network) for network in self.networks))

    def softened(self, images: Sequence[Any], temperature: float) -> Any:
        """Logarithm of the mean over the networks of `softmax(logits / temperature)`.

        Of one network that is its `log_softmax(logits / temperature)`, bit for bit. In graphs and
        outside of them; the networks infer, they are not trained.

        Args:
            images: one batch of the same photos for each of `sizes_px`, in that order: uint8 or
                floats in [0, 255], shape (n, size, size, 3).
            temperature: greater than 0; above 1 it softens.

        Returns:
            float32, shape (n, n_classes); `exp` of a row adds up to 1.

        Raises:
            ValueError: the batches are not as many as the sizes.

        Source: Hinton et al. 2015, "Distilling the Knowledge in a Neural Network", section 1: of
        an ensemble, the arithmetic mean of its members' distributions are the soft targets.
        """
        by_size = dict(zip(self.sizes_px, images, strict=True))
        each = [
            tf.nn.log_softmax(_logits(network, by_size[_size_px(network)]) / temperature)
            for network in self.networks
        ]
        return tf.reduce_logsumexp(tf.stack(each), axis=0) - math.log(len(each))

    def log_probabilities(self, photos: PackedDataset) -> NDArray[np.float32]:
        """Logarithm of the mean probabilities of every photo, shape (n, n_classes), in order.

        They serve as logits: their softmax is the mean of the probabilities.

        Raises:
            ArtifactError: the photos are not packed at a size that a network takes.
            TrainingError: memory does not hold a single photo.
        """
        sets = [photos.pixels_at(size) for size in self.sizes_px]
        return self.graph(1.0).answers(sets)

    def graph(self, temperature: float) -> InferenceGraph:
        """`softened` at this temperature as a graph, traced once."""

        def infer(*images: Any) -> Any:
            return self.softened(images, temperature)

        return InferenceGraph(infer, self.sizes_px)


def load_teachers_for(photos: PackedDataset, folder: str | Path) -> Teachers:
    """The teachers that were trained on these photos.

    Raises:
        ArtifactError: a file is missing or damaged, or a network was trained on another split or
            for images of a size that the photos are not packed at.
    """
    folder = Path(folder)
    sizes_px = photos.teacher_sizes_px
    return Teachers(
        tuple(
            load_network_for(photos, folder / arch, sizes_px=sizes_px)[0]
            for arch in TEACHERS.read(folder)["archs"]
        )
    )


def _size_px(network: Any) -> int:
    size_px: int = network.input_shape[1]
    return size_px


def _logits(network: Any, images: Any) -> Any:
    shaped = tf.ensure_shape(tf.cast(images, tf.float32), network.input_shape)
    return tf.cast(FoldedPass(network)(shaped, training=False), tf.float32)
