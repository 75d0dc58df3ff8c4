"""The real photos that benchmarks of training learn from: `../shared/data/clothing`, packed."""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgedistill.core.decode import decode_photo
from edgedistill.core.letterbox import letterbox
from edgedistill.datasets import PackedDataset, Photo, write_dataset_tables
from edgedistill.pixel_writing import ShardWriter

CLOTHING = Path(__file__).parents[3] / "shared" / "data" / "clothing"


@dataclass(frozen=True)
class Jpegs:
    """Files of photos and the class of each; `label_names` in the order of the classes."""

    places: list[Path]
    label_indices: list[int]
    label_names: list[str]


def jpegs(part: str, limit: int | None = None, *, root: Path = CLOTHING) -> Jpegs:
    """The photos of `train`, `validation` or `test`, in random order.

    Args:
        part: which.
        limit: at most so many, of which one of each class; None: all.
        root: the folder of the parts.

    Raises:
        SystemExit: they are not there.
    """
    folder = root / part
    if not folder.is_dir():
        raise SystemExit(f"{folder} is not there: this benchmark needs the photos of clothing.")
    names = sorted(path.name for path in folder.iterdir())
    places = sorted(folder.glob("*/*.jpg"))
    drawn = [places[number] for number in np.random.default_rng(0).permutation(len(places))]
    one_each = {place.parent.name: place for place in drawn}.values()
    chosen = list(dict.fromkeys([*one_each, *drawn]))[:limit]
    return Jpegs(chosen, [names.index(place.parent.name) for place in chosen], names)


def pack(photos: Jpegs, folder: Path, student_px: int, teacher_px: int) -> PackedDataset:
    """Decodes each photo once and packs it at both sizes, as scan does."""
    rows = []
    with ExitStack() as open_sets:
        writers = {
            px: open_sets.enter_context(ShardWriter(folder / "pixels" / str(px), px))
            for px in dict.fromkeys((student_px, teacher_px))
        }
        for place, index in zip(photos.places, photos.label_indices, strict=True):
            upright = decode_photo(place.read_bytes())
            for px, writer in writers.items():
                writer.append(letterbox(upright, px))
            height_px, width_px = upright.shape[:2]
            name = photos.label_names[index]
            rows.append(Photo(place.name, index, name, height_px, width_px, digest=place.name))
    write_dataset_tables(
        folder, rows, photos.label_names,
        student_px=student_px, teacher_sizes_px=[teacher_px], digest="clothing",
    )  # fmt: skip
    return PackedDataset.open(folder)
