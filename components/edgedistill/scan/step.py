"""The step scan: a collection of photos becomes a catalogue of packed pixels and of findings."""

import time

from edgedistill.folders import complete_folder, write_file
from edgedistill.scan.judging import PackedAs, judge_catalog
from edgedistill.scan.packing import Packing, pack_photos
from edgedistill.scan.search import require_searchable
from edgedistill.scan.tables import Tables
from edgedistill.scan.unknown import pack_unknown
from edgedistill.settings import ScanSettings
from edgedistill.storage.s3 import use_endpoint


def scan_photos(
    catalog: str, report: str, settings: ScanSettings, *, n_workers: int | None = None
) -> dict[str, float]:
    """Decodes every photo once, packs it at every size, and says what is wrong with the data.

    Args:
        catalog: folder to write: a packed data set, dataset_manifest.json, findings.csv,
            bad_files.txt; in it `resized`, a sample as careless apps would resize it, and
            `unknown`, the photos of no class where there are some, data sets of their own.
        report: HTML file to write.
        settings: where the photos are, the image sizes, and what is refused.
        n_workers: processes that decode; None: one a core that this process may use.

    Returns:
        n_photos (packed), n_unknown (packed, of no class), n_bad_files (left out of both,
        conflicts among them), n_classes, smallest_class
        (its photos), n_conflicts, n_duplicates, n_near_duplicates, n_odd (findings of each kind),
        n_grouped (photos that share a group), leak_share (in [0, 1]), seconds.

    Raises:
        DatasetError: the collection cannot be trained on: no classes, one only, a class without
            a readable photo, names that cannot be labels.
        StorageError: a place that cannot be read from.
    """
    started = time.monotonic()
    use_endpoint(settings.s3_endpoint)
    with complete_folder(catalog) as out, Tables.beside(catalog) as tables:
        tables.list_files(settings)
        if settings.group_near_duplicates:
            require_searchable(tables.known.n_files)
        packed = PackedAs.of(settings, tables.known.n_files)
        packing = Packing(packed.sizes_px, settings.max_megapixels, packed.resized_share, n_workers)
        fingerprints = tables.scratch / "fingerprints"
        pack_photos(tables.known, out, fingerprints, packing)
        pack_unknown(tables.unknown, out, tables.unknown_scratch, packing)
        judged = judge_catalog(
            out, tables, fingerprints, packed, compare_pictures=settings.group_near_duplicates
        )
    write_file(report, judged.page)
    return judged.told_after(time.monotonic() - started)
