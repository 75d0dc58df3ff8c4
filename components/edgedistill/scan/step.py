"""The step scan: a collection of photos becomes a catalogue of packed pixels and of findings."""

import itertools
import logging
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from edgedistill.artifacts import BAD_FILES, DATASET_MANIFEST, FINDINGS_CSV
from edgedistill.core.fingerprint import dataset_digest, is_sampled
from edgedistill.datasets import Photo, write_dataset_tables
from edgedistill.errors import DatasetError
from edgedistill.folders import complete_folder, write_file
from edgedistill.pixels import PackedPixels
from edgedistill.scan.duplicates import (
    Duplicates,
    find_conflicts,
    find_duplicates,
    group_names,
    leave_out,
)
from edgedistill.scan.facts import gather_facts
from edgedistill.scan.findings import (
    CONFLICT,
    DUPLICATE,
    NEAR_DUPLICATE,
    OTHER_LABEL,
    FindingsFile,
    Found,
    ScanFacts,
)
from edgedistill.scan.inspection import inspect_catalog
from edgedistill.scan.packing import Packing, pack_photos, pixel_folder
from edgedistill.scan.report.page import render_scan_page
from edgedistill.scan.report.verdict import odd_found
from edgedistill.scan.resized import Resized, sample_share
from edgedistill.scan.search import require_searchable
from edgedistill.scan.sources.collection import list_collection
from edgedistill.scan.sources.unknown_photos import list_unknown
from edgedistill.scan.table import PhotoTable
from edgedistill.scan.unknown import known_alone, left_out_findings, pack_unknown
from edgedistill.settings import ScanSettings
from edgedistill.storage.places import one_line
from edgedistill.storage.s3 import use_endpoint

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Tables:
    """The files of a collection, of its classes and of none, each with a folder for scraps."""

    known: PhotoTable
    unknown: PhotoTable
    scratch: Path
    unknown_scratch: Path


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
    Path(catalog).parent.mkdir(parents=True, exist_ok=True)
    with (
        complete_folder(catalog) as out,
        tempfile.TemporaryDirectory(prefix=".scan-", dir=Path(catalog).parent) as scratch,
        tempfile.TemporaryDirectory(prefix="unknown-", dir=scratch) as beside,
        PhotoTable(Path(scratch)) as table,
        PhotoTable(Path(beside)) as unknown,
    ):
        listed = list_collection(settings.data_dir, Path(scratch))
        table.add(known_alone(listed, unknown))
        if settings.unknown_uri:
            unknown.add(list_unknown(settings.unknown_uri, Path(beside)))
        _log.info(
            "scan: %d files of %d classes, %d of no class",
            table.n_files, len(table.label_names()), unknown.n_files,
        )  # fmt: skip
        packing = Packing(
            settings.sizes_px, settings.max_megapixels, sample_share(table.n_files), n_workers
        )
        tables = Tables(table, unknown, Path(scratch), Path(beside))
        facts = _fill_catalog(out, tables, packing, settings)
        n_left_out = table.n_left_out + unknown.n_left_out
        pixels = PackedPixels(pixel_folder(out, settings.student_img_size), table.n_photos)
        page = render_scan_page(facts, pixels.row)
    write_file(report, page)
    seconds = time.monotonic() - started
    n_photos = sum(facts.counts.values())
    _log.info("scan: %d photos packed, %d left out, %.1f s", n_photos, n_left_out, seconds)
    return {**_metrics(facts, n_left_out), "seconds": seconds}


def _fill_catalog(out: Path, tables: Tables, packing: Packing, settings: ScanSettings) -> ScanFacts:
    """Packs, inspects and groups the photos, and writes all of the catalogue."""
    table = tables.known
    folders = [pixel_folder(out, size) for size in packing.sizes_px]
    resized = Resized(out, settings.student_img_size, packing.resized_share)
    fingerprints = tables.scratch / "fingerprints"
    if settings.group_near_duplicates:
        require_searchable(table.n_files)
    pack_photos(table, out, fingerprints, packing)
    _check_classes(table)
    pack_unknown(tables.unknown, table, out, tables.unknown_scratch, packing)
    with FindingsFile(out / FINDINGS_CSV) as findings:
        conflicts = find_conflicts(table)
        left_out: list[int] = []
        if conflicts:
            findings.add(conflicts, PackedPixels(folders[0], table.n_photos).row)
            left_out = leave_out(conflicts, table, folders, resized)
            _warn_of_conflicts(conflicts)
            _check_classes(table)
        duplicates = find_duplicates(
            table, fingerprints, left_out, compare_pictures=settings.group_near_duplicates
        )
        photos = PackedPixels(folders[0], table.n_photos)
        findings.add(inspect_catalog(table, duplicates), photos.row)
        findings.add(left_out_findings(tables.unknown), photos.row)
    facts = gather_facts(settings.data_dir, table, duplicates, findings, tables.unknown.n_photos)
    _write_tables(out, tables, duplicates, facts, resized, settings)
    return facts


def _check_classes(table: PhotoTable) -> None:
    counts = table.counts()
    for label_name in table.label_names():
        if label_name not in counts:
            reasons = [told for told in table.left_out() if told[1] == label_name]
            kind, _, place, reason = next((r for r in reasons if r[0] != CONFLICT), reasons[0])
            if kind == CONFLICT:
                raise DatasetError(
                    f"all photos of class '{label_name}' also lie under another label, the first "
                    f"is {place}: {reason}; keep each picture under one label."
                )
            raise DatasetError(
                f"class '{label_name}' has no readable photos; bad files: {len(reasons)}, the "
                f"first is {place}: {reason}. Replace them, or take the class away."
            )


def _warn_of_conflicts(conflicts: list[Found]) -> None:
    first = conflicts[0].finding
    _log.warning(
        "scan: %d photos are left out because their very pixels stand under two labels, such as "
        "%s (%s) and %s (%s); findings.csv lists them all",
        len(conflicts), first.filepath, first.label_name, first.other, first.other_label,
    )  # fmt: skip


def _write_tables(
    out: Path,
    tables: Tables,
    duplicates: Duplicates,
    facts: ScanFacts,
    resized: Resized,
    settings: ScanSettings,
) -> None:
    table = tables.known
    digest = dataset_digest((p.filepath, p.label_name, p.digest) for p in table.photos())
    group_of = group_names(table, duplicates.groups)

    def photos() -> Iterator[Photo]:
        for row, photo in enumerate(table.photos()):
            yield replace(photo, group=group_of.get(row, ""))

    write_dataset_tables(
        out, photos(), list(facts.counts),
        student_px=settings.student_img_size, teacher_sizes_px=settings.teacher_sizes_px,
        digest=digest,
    )  # fmt: skip
    sample = [photo for photo in photos() if is_sampled(photo.digest, resized.share)]
    resized.write_tables(sample, list(facts.counts))
    DATASET_MANIFEST.write(
        out,
        {
            "data_dir": facts.data_dir,
            "n_photos": table.n_photos,
            "n_bad_files": table.n_left_out + tables.unknown.n_left_out,
            **({"n_unknown": facts.n_unknown} if facts.n_unknown else {}),
            "classes": facts.counts,
            "splits": facts.split_counts,
            "findings": facts.n_found,
            "sizes_px": {
                "student": settings.student_img_size,
                "teacher": list(settings.teacher_sizes_px),
            },
            "digest": digest,
        },
    )
    with (out / BAD_FILES).open("w", encoding="utf-8") as bad_files:
        bad_files.writelines(
            f"{one_line(place)}\t{reason}\n"
            for _, _, place, reason in itertools.chain(table.left_out(), tables.unknown.left_out())
        )


def _metrics(facts: ScanFacts, n_left_out: int) -> dict[str, float]:
    found = facts.n_found
    return {
        "n_photos": float(sum(facts.counts.values())),
        "n_unknown": float(facts.n_unknown),
        "n_bad_files": float(n_left_out),
        "n_classes": float(len(facts.counts)),
        "smallest_class": float(min(facts.counts.values())),
        "n_conflicts": float(found.get(CONFLICT, 0)),
        "n_duplicates": float(found.get(DUPLICATE, 0)),
        "n_near_duplicates": float(found.get(NEAR_DUPLICATE, 0) + found.get(OTHER_LABEL, 0)),
        "n_odd": float(sum(odd_found(facts).values())),
        "n_grouped": float(facts.n_grouped),
        "leak_share": facts.leak_share,
    }
