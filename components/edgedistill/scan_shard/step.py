"""The component scan_shard: packs its own part of a collection, which others pack beside it."""

import logging
import time

from edgedistill.folders import complete_folder
from edgedistill.scan.judging import PackedAs
from edgedistill.scan.packing import Packing, pack_photos
from edgedistill.scan.shard import FINGERPRINTS, write_shard
from edgedistill.scan.tables import Tables
from edgedistill.scan.unknown import pack_unknown
from edgedistill.settings import ScanShardSettings
from edgedistill.storage.s3 import use_endpoint

_log = logging.getLogger(__name__)


def scan_one_shard(
    shard: str, settings: ScanShardSettings, *, n_workers: int | None = None
) -> dict[str, float]:
    """Lists a whole collection as scan does, and packs one of several equal runs of its files.

    Args:
        shard: folder to write: packed pixels, tables of files and photos, fingerprints.
        settings: where the photos are, the image sizes, which shard of how many.
        n_workers: processes that decode; None: one a core that this process may use.

    Returns:
        n_files (of the collection), n_photos and n_unknown (packed here), n_bad_files (left out
        here), seconds.

    Raises:
        DatasetError: the collection has no classes, one only, or names that cannot be labels.
        StorageError: a place that cannot be read from.
    """
    started = time.monotonic()
    use_endpoint(settings.s3_endpoint)
    with complete_folder(shard) as out, Tables.beside(shard) as tables:
        tables.list_files(settings)
        n_files = tables.known.n_files + tables.unknown.n_files
        # Of all files, not of the part: the same in every shard.
        packed = PackedAs.of(settings, tables.known.n_files)
        listing = tables.listing_digest()
        tables.keep_part(settings.shard_index, settings.scan_shards)
        _log.info(
            "scan_shard: %d of them are those of shard %d, counted from 0, of %d",
            tables.known.n_files + tables.unknown.n_files,
            settings.shard_index, settings.scan_shards,
        )  # fmt: skip
        packing = Packing(packed.sizes_px, settings.max_megapixels, packed.resized_share, n_workers)
        pack_photos(tables.known, out, out / FINGERPRINTS, packing)
        pack_unknown(tables.unknown, out, tables.unknown_scratch, packing)
        write_shard(out, tables, packed, listing, settings)
        results = {
            "n_files": float(n_files),
            "n_photos": float(tables.known.n_photos),
            "n_unknown": float(tables.unknown.n_photos),
            "n_bad_files": float(tables.known.n_left_out + tables.unknown.n_left_out),
        }
    seconds = time.monotonic() - started
    _log.info(
        "scan_shard: %d photos packed, %d left out, %.1f s",
        results["n_photos"], results["n_bad_files"], seconds,
    )  # fmt: skip
    return {**results, "seconds": seconds}
