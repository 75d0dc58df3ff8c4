"""The component merge_shards: the shards of a collection become the catalogue that scan gives."""

import logging
import time
from collections.abc import Sequence

from edgedistill.folders import complete_folder, write_file
from edgedistill.merge_shards.belonging import open_shards
from edgedistill.merge_shards.joining import join_pixels, join_tables
from edgedistill.scan.judging import judge_catalog
from edgedistill.scan.search import require_searchable
from edgedistill.scan.tables import Tables
from edgedistill.settings import MergeShardsSettings

_log = logging.getLogger(__name__)


def merge_scanned(
    shards: Sequence[str], catalog: str, report: str, settings: MergeShardsSettings
) -> dict[str, float]:
    """Joins the shards in order and judges all photos together, to the bytes of one scan.

    Args:
        shards: folders of all shards of one collection, in any order; they stay as they are.
        catalog: folder to write, as `scan_photos` does.
        report: HTML file to write.
        settings: which photos belong together.

    Returns:
        What `scan_photos` gives.

    Raises:
        ArtifactError: the shards do not belong together, or one is damaged.
        DatasetError: the collection cannot be trained on.
    """
    started = time.monotonic()
    opened = open_shards(shards)
    with complete_folder(catalog) as out, Tables.beside(catalog) as tables:
        fingerprints = tables.scratch / "fingerprints"
        join_tables(opened, tables, fingerprints)
        _log.info("merge_shards: %d shards, %d files", len(opened), tables.known.n_files)
        if settings.group_near_duplicates:
            require_searchable(tables.known.n_files)
        join_pixels(opened, out, with_unknown=tables.unknown.n_files > 0)
        judged = judge_catalog(
            out, tables, fingerprints, opened[0].packed,
            compare_pictures=settings.group_near_duplicates,
        )  # fmt: skip
    write_file(report, judged.page)
    return judged.told_after(time.monotonic() - started)
