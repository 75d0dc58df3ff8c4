"""Batches for training: packed pixels and the views drawn of them, read ahead by one thread."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgedistill.core.metrics import class_weights
from edgedistill.core.views import draw_views
from edgedistill.datasets import PackedDataset
from edgedistill.pixels import PackedPixels
from edgedistill.tf.common_settings import CommonSettings
from edgedistill.tf.runtime import tf


@dataclass(frozen=True)
class TrainingPhotos:
    """Photos to train on.

    Attributes:
        pixels: what the network that is trained sees.
        teacher_pixels: the same photos at the teacher's size; None where nobody teaches.
        label_indices: shape (n,).
        class_weights: shape (n_classes,), factor of each class in the hard loss.
        flip: whether views may be mirrored.
    """

    pixels: PackedPixels
    teacher_pixels: PackedPixels | None
    label_indices: NDArray[np.int64]
    class_weights: NDArray[np.float32]
    flip: bool = True


def training_photos(
    dataset: PackedDataset,
    pixels: PackedPixels,
    settings: CommonSettings,
    *,
    teacher_pixels: PackedPixels | None = None,
) -> TrainingPhotos:
    """A split as the training loop takes it, each class weighted alike or each photo.

    Args:
        dataset: the split.
        pixels: its photos at the size of the network that is trained.
        settings: whether rare classes are weighted up in the hard loss, and views mirrored.
        teacher_pixels: the same photos at the teacher's size; None where nobody teaches.
    """
    n_classes = len(dataset.label_names)
    weights = np.ones(n_classes)
    if settings.use_class_weights:
        weights = class_weights(dataset.label_indices, n_classes)
    return TrainingPhotos(
        pixels,
        teacher_pixels,
        dataset.label_indices,
        weights.astype(np.float32),
        settings.augment_flip,
    )


Batch = tuple[Any, ...]
"""(pixels, transforms, teacher's pixels, teacher's transforms, gain, label indices)."""


def n_batches(n_photos: int, batch_size: int) -> int:
    """Batches in one pass; they differ by one photo at most, none is larger than `batch_size`."""
    return -(-n_photos // batch_size)


def epoch_batches(
    photos: TrainingPhotos, batch_size: int, *, seed: int, epoch: int
) -> Iterator[Batch]:
    """One shuffled pass over the photos, each in a view of its own, the next batch read ahead."""
    n_photos = len(photos.label_indices)
    order = np.random.default_rng((seed, epoch)).permutation(n_photos)
    parts = np.array_split(order, n_batches(n_photos, batch_size))
    with ThreadPoolExecutor(max_workers=1) as reader:
        ahead = reader.submit(_batch, photos, parts[0], seed, epoch)
        for part in parts[1:]:
            ready = ahead.result()
            ahead = reader.submit(_batch, photos, part, seed, epoch)
            yield ready
        yield ahead.result()


def _batch(photos: TrainingPhotos, rows: NDArray[np.int64], seed: int, epoch: int) -> Batch:
    views = draw_views(seed, epoch, rows, flip=photos.flip)
    taught = photos.teacher_pixels
    # Without a teacher its two inputs are empty: one signature serves both kinds of training.
    teacher_images = np.zeros((0, 1, 1, 3), np.uint8) if taught is None else taught.take(rows)
    teacher_size_px = 1 if taught is None else taught.size_px
    return (
        photos.pixels.take(rows),
        views.transforms(photos.pixels.size_px),
        teacher_images,
        views.transforms(teacher_size_px),
        views.gain.astype(np.float32),
        photos.label_indices[rows],
    )


BATCH_SIGNATURE = (
    tf.TensorSpec((None, None, None, 3), tf.uint8),
    tf.TensorSpec((None, 8), tf.float32),
    tf.TensorSpec((None, None, None, 3), tf.uint8),
    tf.TensorSpec((None, 8), tf.float32),
    tf.TensorSpec((None, 3), tf.float32),
    tf.TensorSpec((None,), tf.int64),
)


def show_views(images: Any, transforms: Any, gain: Any) -> Any:
    """The views of a batch, in TensorFlow.

    Args:
        images: uint8, shape (n, size, size, 3).
        transforms: shape (n, 8), of `Views.transforms(size)`.
        gain: shape (n, 3).

    Returns:
        float32 in [0, 255], the shape of `images`; black outside the photo.
    """
    moved = tf.raw_ops.ImageProjectiveTransformV3(
        images=tf.cast(images, tf.float32),
        transforms=transforms,
        output_shape=tf.shape(images)[1:3],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
    )
    return tf.clip_by_value(moved * gain[:, None, None, :], 0.0, 255.0)
