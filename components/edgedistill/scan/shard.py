"""A shard: what one of several scans of a collection has packed, before anything is judged."""

from pathlib import Path

from edgedistill.artifacts import SHARD, UNKNOWN_FOLDER
from edgedistill.core.careless_resize import RESIZES
from edgedistill.file_sums import SUMS_FILE, file_sum
from edgedistill.scan.judging import PackedAs
from edgedistill.scan.packing import pixel_folder, resized_folder
from edgedistill.scan.tables import Tables
from edgedistill.settings import ScanShardSettings

FINGERPRINTS = "fingerprints"
TABLE = "photos.sqlite"
UNKNOWN_TABLE = f"{UNKNOWN_FOLDER}/{TABLE}"


def pixel_folders(packed: PackedAs, *, with_unknown: bool) -> list[Path]:
    """Where a shard and a catalogue keep images, below their own folder; each named by its size."""
    top, student_px = Path(), packed.student_px
    folders = [pixel_folder(top, size) for size in packed.sizes_px]
    if packed.resized_share:
        folders += [pixel_folder(resized_folder(top, r), student_px) for r in RESIZES]
    if with_unknown:
        folders.append(pixel_folder(top / UNKNOWN_FOLDER, student_px))
    return folders


def write_shard(
    out: Path, tables: Tables, packed: PackedAs, listing: str, settings: ScanShardSettings
) -> None:
    """Writes all of a shard but its pixels and fingerprints, which are there.

    Args:
        out: the shard's folder.
        tables: its own part of the files, and what came of each.
        packed: how the whole collection is packed.
        listing: names the files of the whole collection.
        settings: which shard of how many this is, and what else must be equal in all.
    """
    tables.known.save(out / TABLE)
    (out / UNKNOWN_FOLDER).mkdir(exist_ok=True)
    tables.unknown.save(out / UNKNOWN_TABLE)
    lists = (str(f / SUMS_FILE) for f in pixel_folders(packed, with_unknown=True))
    # Where no photo could be read there is no list.
    places = (FINGERPRINTS, TABLE, UNKNOWN_TABLE, *(p for p in lists if (out / p).exists()))
    SHARD.write(
        out,
        {
            "shard_index": settings.shard_index,
            "scan_shards": settings.scan_shards,
            "listing": listing,
            "data_dir": packed.data_dir,
            "unknown_uri": settings.unknown_uri,
            "student_px": packed.student_px,
            "teacher_sizes_px": list(packed.teacher_sizes_px),
            "max_megapixels": settings.max_megapixels,
            "resized_share": packed.resized_share,
            "sha256": {place: file_sum(out / place) for place in places},
        },
    )
