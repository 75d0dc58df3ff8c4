"""Batches for training: packed pixels in views of their own, made ahead by threads.

What a batch holds is drawn from (seed, epoch, photo): no number of threads changes a byte of it.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

from edgedistill.core.augment import show_views
from edgedistill.core.class_weights import class_weights
from edgedistill.core.mixup import blend, draw_partners
from edgedistill.core.views import draw_views
from edgedistill.datasets import PackedDataset
from edgedistill.pixels import PackedPixels
from edgedistill.tf.common_settings import CommonSettings

Images = NDArray[np.uint8]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Augmentation:
    """How photos are varied: a level of `core.views.LEVELS`, mirroring, and mixup's alpha."""

    level: str = "none"
    flip: bool = True
    mixup: float = 0.0

    @classmethod
    def of(cls, settings: CommonSettings) -> Self:
        """From a step's settings."""
        return cls(settings.augment, settings.augment_flip, settings.mixup)

    @property
    def draws(self) -> bool:
        """Whether a photo looks another way in another epoch."""
        return self.level != "none" or self.mixup > 0


@dataclass(frozen=True)
class TrainingPhotos:
    """Photos to train on.

    Attributes:
        pixels: what the network that is trained sees.
        taught: the same photos at each size that the teachers take; empty where nobody teaches.
        label_indices: shape (n,).
        class_weights: shape (n_classes,), factor of each class in the hard loss.
        label_smoothing: share of each label that is spread over all classes.
        augmentation: how they are varied.
        n_views: how many views of a photo there are; 0: another one in each epoch.
    """

    pixels: PackedPixels
    taught: tuple[PackedPixels, ...]
    label_indices: NDArray[np.int64]
    class_weights: NDArray[np.float32]
    label_smoothing: float = 0.0
    augmentation: Augmentation = field(default_factory=Augmentation)
    n_views: int = 0

    def __len__(self) -> int:
        return len(self.label_indices)

    def smoothed(self, targets: Floats) -> Floats:
        """Distributions over the classes, shape (n, n_classes), with the share spread over all."""
        share = np.float32(self.label_smoothing)
        return targets * (1 - share) + share / np.float32(len(self.class_weights))

    def view_number(self, epoch: int) -> int:
        """Which view an epoch, counted from 1, shows: the number that views are drawn from."""
        return epoch if self.n_views == 0 else (epoch - 1) % self.n_views + 1


def example_views(
    photos: TrainingPhotos, *, seed: int, n_photos: int = 6, n_views: int = 7
) -> tuple[Images, NDArray[np.uint8]]:
    """Some photos and the views that the first epochs show of them, blended with none.

    Args:
        photos: as they are trained on; of those with fewer views each view is shown once.
        seed: that of the training.
        n_photos: most photos.
        n_views: most views of each.

    Returns:
        Photos, shape (k, size, size, 3), and views, shape (k, v, size, size, 3).
    """
    rows = np.random.default_rng(seed).permutation(len(photos))[:n_photos]
    images, how = photos.pixels.take(rows), photos.augmentation
    shown = [
        show_views(
            images,
            draw_views(seed, photos.view_number(epoch), rows, level=how.level, flip=how.flip),
        )
        for epoch in range(1, min(n_views, photos.n_views or n_views) + 1)
    ]
    return images, np.stack(shown, axis=1)


def training_photos(
    dataset: PackedDataset, pixels: PackedPixels, settings: CommonSettings
) -> TrainingPhotos:
    """A split as the training loop takes it without a teacher, each class weighted as wished.

    Args:
        dataset: the split.
        pixels: its photos at the size of the network that is trained.
        settings: whether rare classes are weighted up in the hard loss, and how photos are varied.
    """
    n_classes = len(dataset.label_names)
    weights = np.ones(n_classes)
    if settings.use_class_weights:
        weights = class_weights(dataset.label_indices, n_classes)
    return TrainingPhotos(
        pixels,
        (),
        dataset.label_indices,
        weights.astype(np.float32),
        settings.label_smoothing,
        Augmentation.of(settings),
    )


@dataclass(frozen=True)
class Batch:
    """Photos of one training step.

    Attributes:
        rows: shape (n,), their numbers in the split.
        images: shape (n, size, size, 3), at the trained network's size.
        taught: the same views at each size that the teachers take.
        targets: shape (n, n_classes), the distribution that the hard loss wants; of a blend of two
            photos each label has its share times its class's weight.
        photo_weights: shape (n,), factor of each photo in the hard loss: its class's weight, of a
            blend the sum of both by their shares.
    """

    rows: NDArray[np.int64]
    images: Images
    taught: tuple[Images, ...]
    targets: Floats
    photo_weights: Floats


def n_batches(n_photos: int, batch_size: int) -> int:
    """Batches in one pass; they differ by one photo at most, none is larger than `batch_size`."""
    return -(-n_photos // batch_size)


class EpochBatches:
    """One shuffled pass over the photos, each in a view of its own, the next batches made ahead.

    `waited_s`: seconds for which the one who iterates had to wait so far.
    """

    def __init__(
        self,
        photos: TrainingPhotos,
        batch_size: int,
        *,
        seed: int,
        epoch: int,
        first: int = 0,
        workers: int = 1,
    ):
        order = np.random.default_rng((seed, epoch)).permutation(len(photos))
        self._parts = np.array_split(order, n_batches(len(photos), batch_size))[first:]
        self._make = _BatchMaker(photos, seed, photos.view_number(epoch))
        self._workers = workers
        self.waited_s = 0.0

    def __iter__(self) -> Iterator[Batch]:
        yield from made_ahead(self._make, self._parts, self._workers, self._add_wait)

    def _add_wait(self, seconds: float) -> None:
        self.waited_s += seconds


def view_batches(
    photos: TrainingPhotos, batch_size: int, *, seed: int, view: int, workers: int
) -> Iterator[Batch]:
    """All photos in order, each in its view of this number."""
    rows = np.arange(len(photos))
    parts = [rows[start : start + batch_size] for start in range(0, len(rows), batch_size)]
    return made_ahead(_BatchMaker(photos, seed, view), parts, workers)


def made_ahead(
    make: Callable[[NDArray[np.int64]], Batch],
    parts: list[NDArray[np.int64]],
    workers: int,
    on_wait: Callable[[float], None] = lambda seconds: None,
) -> Iterator[Batch]:
    """`make` of each part in order, by threads that are a batch ahead of the reader each."""
    with ThreadPoolExecutor(max_workers=workers) as pool:
        waiting = iter(parts)
        ahead: deque[Future[Batch]] = deque()
        try:
            for _, part in zip(range(workers + 1), waiting, strict=False):
                ahead.append(pool.submit(make, part))
            while ahead:
                begun = time.monotonic()
                batch = ahead.popleft().result()
                on_wait(time.monotonic() - begun)
                for part in waiting:
                    ahead.append(pool.submit(make, part))
                    break
                yield batch
        finally:
            for future in ahead:  # the reader left early
                future.cancel()


class _BatchMaker:
    """Makes the batch of some photos: called by several threads at once."""

    def __init__(self, photos: TrainingPhotos, seed: int, view: int):
        self._photos = photos
        self._seed = seed
        self._view = view

    def __call__(self, rows: NDArray[np.int64]) -> Batch:
        photos, mixup = self._photos, self._photos.augmentation.mixup
        n_classes = len(photos.class_weights)
        targets = np.eye(n_classes, dtype=np.float32)[photos.label_indices[rows]]
        shown = rows, np.arange(0), np.ones(len(rows))
        if mixup > 0:
            partners = draw_partners(
                self._seed, self._view, rows, alpha=mixup, n_photos=len(photos)
            )
            shown = rows, partners.indices, partners.share
            others = np.eye(n_classes, dtype=np.float32)[photos.label_indices[partners.indices]]
            share = partners.share[:, None].astype(np.float32)
            targets = share * targets + (1 - share) * others
        # Each label by its own class's weight: what is blended loses or gains none of its say.
        weighted = targets * photos.class_weights
        weights = weighted.sum(axis=1)
        return Batch(
            rows,
            self._images(photos.pixels, *shown),
            tuple(self._images(pixels, *shown) for pixels in photos.taught),
            photos.smoothed(weighted / weights[:, None]),
            weights,
        )

    def _images(
        self,
        pixels: PackedPixels,
        rows: NDArray[np.int64],
        partner_rows: NDArray[np.int64],
        share: NDArray[np.float64],
    ) -> Images:
        images = self._views(pixels, rows)
        if len(partner_rows) == 0:
            return images
        return blend(images, self._views(pixels, partner_rows), share)

    def _views(self, pixels: PackedPixels, rows: NDArray[np.int64]) -> Images:
        how = self._photos.augmentation
        views = draw_views(self._seed, self._view, rows, level=how.level, flip=how.flip)
        return show_views(pixels.take(rows), views)
