"""Judges packed photos: what is left out, what belongs together, what is told, and the tables."""

import itertools
import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from edgedistill.artifacts import BAD_FILES, DATASET_MANIFEST, FINDINGS_CSV
from edgedistill.core.fingerprint import dataset_digest, is_sampled
from edgedistill.datasets import Photo, write_dataset_tables
from edgedistill.errors import DatasetError
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
from edgedistill.scan.packing import pixel_folder
from edgedistill.scan.report.page import render_scan_page
from edgedistill.scan.report.verdict import odd_found
from edgedistill.scan.resized import Resized, sample_share
from edgedistill.scan.table import PhotoTable
from edgedistill.scan.tables import Tables
from edgedistill.scan.unknown import judge_unknown, left_out_findings
from edgedistill.settings import PhotoPacking
from edgedistill.storage.places import one_line

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PackedAs:
    """What was packed, and how.

    `data_dir`: the collection. `student_px`, `teacher_sizes_px`: sides of the images.
    `resized_share`: share of photos, in [0, 1], that are packed as careless apps resize them too.
    """

    data_dir: str
    student_px: int
    teacher_sizes_px: tuple[int, ...]
    resized_share: float

    @classmethod
    def of(cls, settings: PhotoPacking, n_files: int) -> Self:
        """What these settings make of a collection of so many files."""
        return cls(
            settings.data_dir, settings.student_img_size, settings.teacher_sizes_px,
            sample_share(n_files),
        )  # fmt: skip

    @property
    def sizes_px(self) -> tuple[int, ...]:
        """Every size, once: the student's, then the teachers'."""
        return tuple(dict.fromkeys((self.student_px, *self.teacher_sizes_px)))


@dataclass(frozen=True)
class Judged:
    """A finished catalogue: its report as HTML, and its figures as `scan_photos` gives them."""

    page: str
    metrics: dict[str, float]

    def told_after(self, seconds: float) -> dict[str, float]:
        """The figures with the time that it took, logged as well."""
        n_photos, n_left_out = self.metrics["n_photos"], self.metrics["n_bad_files"]
        _log.info("scan: %d photos packed, %d left out, %.1f s", n_photos, n_left_out, seconds)
        return {**self.metrics, "seconds": seconds}


def judge_catalog(
    out: Path, tables: Tables, fingerprints: Path, packed: PackedAs, *, compare_pictures: bool
) -> Judged:
    """Makes a catalogue of a folder of packed pixels.

    Args:
        out: folder that holds the pixels of all readable photos, and nothing else.
        tables: what was read, by the pixels' rows.
        fingerprints: file of the photos' perceptual fingerprints, by row.
        packed: sizes and sample.
        compare_pictures: false: only equal pixels and the collection's own groups count.

    Raises:
        DatasetError: a class has no photo left, none of no class can be used, or there are too
            many to compare.
    """
    facts = _fill_catalog(out, tables, fingerprints, packed, compare_pictures=compare_pictures)
    n_left_out = tables.known.n_left_out + tables.unknown.n_left_out
    pixels = PackedPixels(pixel_folder(out, packed.student_px), tables.known.n_photos)
    return Judged(render_scan_page(facts, pixels.row), _metrics(facts, n_left_out))


def _fill_catalog(
    out: Path, tables: Tables, fingerprints: Path, packed: PackedAs, *, compare_pictures: bool
) -> ScanFacts:
    """Leaves out, inspects and groups the photos, and writes all of the catalogue."""
    table = tables.known
    _check_classes(table)
    judge_unknown(tables.unknown, table, out, packed.student_px)
    folders = [pixel_folder(out, size) for size in packed.sizes_px]
    resized = Resized(out, packed.student_px, packed.resized_share)
    with FindingsFile(out / FINDINGS_CSV) as findings:
        conflicts = find_conflicts(table)
        left_out: list[int] = []
        if conflicts:
            findings.add(conflicts, PackedPixels(folders[0], table.n_photos).row)
            left_out = leave_out(conflicts, table, folders, resized)
            _warn_of_conflicts(conflicts)
            _check_classes(table)
        duplicates = find_duplicates(
            table, fingerprints, left_out, compare_pictures=compare_pictures
        )
        photos = PackedPixels(folders[0], table.n_photos)
        findings.add(inspect_catalog(table, duplicates), photos.row)
        findings.add(left_out_findings(tables.unknown), photos.row)
    facts = gather_facts(packed.data_dir, table, duplicates, findings, tables.unknown.n_photos)
    _write_tables(out, tables, duplicates, facts, resized, packed)
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
    packed: PackedAs,
) -> None:
    table = tables.known
    digest = dataset_digest((p.filepath, p.label_name, p.digest) for p in table.photos())
    group_of = group_names(table, duplicates.groups)

    def photos() -> Iterator[Photo]:
        for row, photo in enumerate(table.photos()):
            yield replace(photo, group=group_of.get(row, ""))

    write_dataset_tables(
        out, photos(), list(facts.counts),
        student_px=packed.student_px, teacher_sizes_px=packed.teacher_sizes_px, digest=digest,
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
            "sizes_px": {"student": packed.student_px, "teacher": list(packed.teacher_sizes_px)},
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
