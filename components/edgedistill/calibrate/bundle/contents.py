"""Fills the bundle's folder: models, numbers, texts, code, test photos and their checksums."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgedistill.artifacts import LABELS_FILE, MODEL_FILE, MODEL_METADATA, TASKS_FILE, THRESHOLD
from edgedistill.calibrate.bundle.app_readme import app_readme
from edgedistill.calibrate.bundle.facts import BundleFacts, read_facts
from edgedistill.calibrate.bundle.model_card import model_card
from edgedistill.calibrate.bundle.notices import notice
from edgedistill.calibrate.bundle.parity import write_parity
from edgedistill.calibrate.bundle.sums import write_sums
from edgedistill.errors import ExportError
from edgedistill.tf.tasks_metadata import TasksMetadata, read_metadata, with_metadata

_VERBATIM_FOLDER = Path(__file__).parent / "files"
VERBATIM_FILES = (
    "LICENSE.txt",
    "letterbox.h",
    "parity_check.py",
    "parity_dumps.py",
    "parity_faults.py",
    "schemas/model_metadata.schema.json",
    "schemas/parity.schema.json",
    "schemas/threshold_recommendation.schema.json",
    "snippets/Classify.kt",
    "snippets/Classify.swift",
    "snippets/ClassifyWithMediaPipe.kt",
    "snippets/classify.cpp",
    "snippets/classify.py",
    "snippets/letterbox_jni.c",
)
"""What every bundle holds as it is, named here so that an incomplete installation fails."""


def write_contents(
    out: Path,
    *,
    tflite: Path,
    threshold: Mapping[str, Any],
    scores: Mapping[str, Any],
    gate: Mapping[str, Any],
    version: str,
) -> tuple[str, ...]:
    """Writes all that goes to the phone's team.

    The same arguments give the same bytes on the same installation and kind of processor: the
    logits of parity/ come from LiteRT's kernels for this processor, its PNG and JPEG files from
    zlib and libjpeg. Nothing depends on time, place, user or measurements.

    Args:
        out: an empty folder.
        tflite: what the step qat_export wrote.
        threshold: content of threshold_recommendation.json.
        scores: content of metrics.json, the test photos' figures.
        gate: content of gate.json: whether the model may ship.
        version: of the model.

    Returns:
        The places of all files in `out`, with `/` between folders, in order: what to zip.

    Raises:
        ArtifactError: a file is missing or damaged in `tflite`, or of other classes than `scores`.
        ExportError: model_tasks.tflite does not hold what was written into it.
        ValueError: `out` is not empty.
    """
    if any(out.iterdir()):
        raise ValueError(f"{out} must be empty: all that is in it goes to the phone's team")
    facts = read_facts(tflite, threshold, scores, gate, version)
    for name in (MODEL_FILE, LABELS_FILE):
        shutil.copyfile(tflite / name, out / name)
    MODEL_METADATA.write(out, facts.metadata)
    (out / TASKS_FILE).write_bytes(_tasks_file((tflite / TASKS_FILE).read_bytes(), facts))
    THRESHOLD.write(out, threshold)
    for name, text in (
        ("README.md", app_readme(facts)),
        ("model_card.md", model_card(facts)),
        ("NOTICE.txt", notice(facts.quantization)),
    ):
        (out / name).write_bytes(text.encode("utf-8"))
    _copy_verbatim(out)
    write_parity(out, out / MODEL_FILE)
    write_sums(out, _files_below(out))
    return tuple(_files_below(out))


def _tasks_file(model: bytes, facts: BundleFacts) -> bytes:
    """The file with its metadata; read again, because apps trust them."""
    wanted = TasksMetadata(
        name=f"Image classifier of {len(facts.label_names)} classes",
        description=_description(facts),
        version=facts.version,
        label_names=facts.label_names,
        score_threshold=float(facts.threshold["recommended_threshold"]),
    )
    written = with_metadata(
        model,
        name=wanted.name,
        description=wanted.description,
        version=wanted.version,
        label_names=wanted.label_names,
        score_threshold=wanted.score_threshold,
    )
    require_metadata(written, wanted)
    return written


def require_metadata(model: bytes, wanted: TasksMetadata) -> None:
    """Proves that the file tells an app what it should.

    Raises:
        ExportError: naming the first thing that is otherwise.
    """
    got = read_metadata(model)
    for name in ("name", "description", "version", "label_names"):
        if getattr(got, name) != getattr(wanted, name):
            raise ExportError(
                f"{TASKS_FILE} must tell {name} {getattr(wanted, name)!r}; got "
                f"{getattr(got, name)!r}."
            )
    # The metadata hold it in single precision.
    if abs(got.score_threshold - wanted.score_threshold) > 1e-6:
        raise ExportError(
            f"{TASKS_FILE} must have the threshold {wanted.score_threshold}; got "
            f"{got.score_threshold}."
        )


def _description(facts: BundleFacts) -> str:
    side = facts.side_px
    return (
        f"Names which of {len(facts.label_names)} classes a photo shows. Give it the upright photo "
        f"letterboxed on black to {side} x {side}; a photo that is stretched is not what it knows. "
        f"Same weights as {MODEL_FILE}."
    )


def _copy_verbatim(out: Path) -> None:
    for name in VERBATIM_FILES:
        (out / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(_VERBATIM_FOLDER / name, out / name)


def _files_below(folder: Path) -> list[str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path.relative_to(folder).as_posix() for path in files)
