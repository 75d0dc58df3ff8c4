"""Test photos as split hands them over: plain colours, whose class the model made by hand tells."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgedistill.datasets import PackedDataset, Photo, write_dataset_tables
from edgedistill.pixel_writing import ShardWriter

SIDE_PX = 16
CLASSES = ["red", "green", "blue"]
SPLIT_DIGEST = "0123456789abcdef"  # as tests/calibrate/bundle/model_folder.py has it
Colour = tuple[int, int, int]


def plain(colour: Colour, side_px: int = SIDE_PX) -> np.ndarray:
    return np.full((side_px, side_px, 3), colour, np.uint8)


def photo(number: int, label_index: int, **changes: object) -> Photo:
    name = CLASSES[label_index]
    fields = {
        "filepath": f"{name}/{number}.jpg", "label_index": label_index, "label_name": name,
        "height_px": 9, "width_px": 9, "digest": f"{number:064x}", "split": "test",
    }  # fmt: skip
    return Photo(**{**fields, **changes})  # type: ignore[arg-type]


def write_packed(
    folder: Path,
    images: Sequence[np.ndarray],
    photos: Sequence[Photo],
    *,
    label_names: Sequence[str] = CLASSES,
    split_digest: str = SPLIT_DIGEST,
) -> PackedDataset:
    """Packs images, shape (side, side, 3) each, of one size."""
    side_px = len(images[0])
    with ShardWriter(folder / "pixels" / str(side_px), side_px) as writer:
        for image in images:
            writer.append(image)
    write_dataset_tables(
        folder, photos, list(label_names), student_px=side_px, teacher_sizes_px=[side_px],
        digest="d", split_digest=split_digest,
    )  # fmt: skip
    return PackedDataset.open(folder)


def write_colours(
    folder: Path, colours: Sequence[Colour], labels: Sequence[int], side_px: int = SIDE_PX
) -> PackedDataset:
    """A photo of one plain colour each; the label need not be that of the colour."""
    photos = [photo(number, label) for number, label in enumerate(labels)]
    return write_packed(folder, [plain(c, side_px) for c in colours], photos)
