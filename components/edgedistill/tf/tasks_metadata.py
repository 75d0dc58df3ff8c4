"""TFLite Metadata: what MediaPipe Tasks and ML Kit read from the file besides the network.

A FlatBuffer of its own (identifier M001) in a buffer of the model, and the associated files as a
zip behind the model, where they are looked for.
"""

import io
import math
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgedistill.core.zip_entries import stored_entry
from edgedistill.errors import ExportError
from edgedistill.tf.flatbuffer import read_facts
from edgedistill.tf.metadata_tables import (
    IDENTIFIER,
    RGB,
    TENSOR_AXIS_LABELS,
    Table,
    packed,
    unpacked,
)
from edgedistill.tf.tasks_file import METADATA_NAME, packed_model, parsed_model, refusing_damage

_LABELS_FILE = "labels.txt"
# Everything written here is in the first version of the schema.
_MIN_PARSER_VERSION = "1.0.0"


@dataclass(frozen=True)
class TasksMetadata:
    """What an app is told with the file.

    Attributes:
        name: of the model.
        description: one or more sentences.
        version: of the model.
        label_names: in the order of the model's outputs, as packed behind the file.
        score_threshold: in [0, 1]; a runtime drops categories with a lower score.
    """

    name: str
    description: str
    version: str
    label_names: tuple[str, ...]
    score_threshold: float


def with_metadata(
    model: bytes,
    *,
    name: str,
    description: str,
    version: str,
    label_names: Sequence[str],
    score_threshold: float,
) -> bytes:
    """The file with TFLite Metadata inside and labels.txt packed behind it.

    Args:
        model: uint8 pixels in, uint8 probabilities out (`tasks_file.tasks_model`). Metadata that
            it has already are replaced.
        name: of the model.
        description: for people.
        version: of the model.
        label_names: one a class, in the order of the outputs, each of one line.
        score_threshold: in [0, 1].

    Returns:
        The file; the same bytes for the same arguments.

    Raises:
        ValueError: the number of label names is not the model's, a name is empty or has a line
            break, or the threshold lies outside [0, 1].
        ExportError: the model's ends are others.
    """
    parsed = parsed_model(model)
    width, n_classes = _ends(model)
    _check(label_names, n_classes, score_threshold)
    content = _model_table(
        (name, description, version), _image_table(width), _output_table(float(score_threshold))
    )
    _put(parsed, packed(content))
    return _with_zip(packed_model(parsed), label_names)


def read_metadata(model: bytes) -> TasksMetadata:
    """What `with_metadata` wrote, read from the file alone.

    Raises:
        ExportError: there are no metadata, or they are damaged.
    """
    parsed = parsed_model(model)
    with refusing_damage("the TFLite Metadata are"):
        data = _metadata_bytes(parsed)
        if data[4:8] != IDENTIFIER:
            raise ExportError(f"the TFLite Metadata must have identifier M001; got {data[4:8]!r}.")
        return _read(data, _packed_files(model))


def _ends(model: bytes) -> tuple[int, int]:
    """Side of the images and number of classes."""
    with refusing_damage("the TFLite model is"):
        facts = read_facts(model)
    ends = [(t.dtype, t.scale, t.zero_point, len(t.shape)) for t in facts.inputs + facts.outputs]
    if ends != [("uint8", 1.0, 0, 4), ("uint8", 1 / 256, 0, 2)]:
        raise ExportError(
            "TFLite Metadata are for a model with uint8 pixels (scale 1) in and uint8 "
            f"probabilities (scale 1/256) out; got {ends}."
        )
    return facts.inputs[0].shape[2], facts.outputs[0].shape[1]


def _check(label_names: Sequence[str], n_classes: int, score_threshold: float) -> None:
    if len(label_names) != n_classes:
        raise ValueError(f"label_names must be {n_classes}; got {len(label_names)}")
    odd = [n for n in label_names if not n or "\n" in n or "\r" in n]
    if odd:
        raise ValueError(f"a label name must be one line of text; got {odd[0]!r}")
    if not (math.isfinite(score_threshold) and 0 <= score_threshold <= 1):
        raise ValueError(f"score_threshold must be in [0, 1]; got {score_threshold}")


def _model_table(about: tuple[str, str, str], entry: Table, end: Table) -> Table:
    graph = Table(
        "SubGraphMetadata", {"input_tensor_metadata": [entry], "output_tensor_metadata": [end]}
    )
    return Table(
        "ModelMetadata",
        {
            **dict(zip(("name", "description", "version"), about, strict=True)),
            "subgraph_metadata": [graph],
            "min_parser_version": _MIN_PARSER_VERSION,
        },
    )


def _image_table(size_px: int) -> Table:
    size = Table("ImageSize", {"width": size_px, "height": size_px})
    picture = Table("ImageProperties", {"color_space": RGB, "default_size": size})
    return Table(
        "TensorMetadata",
        {
            "name": "image",
            "description": (
                "Upright RGB photo, padded with black to a square and scaled to "
                f"{size_px} x {size_px}; each value 0 to 255 as it is."
            ),
            "content": _content(picture),
            # (x - mean) / std, then quantised by the tensor's scale of 1: the bytes of the photo.
            "process_units": [_unit(Table("NormalizationOptions", {"mean": [0.0], "std": [1.0]}))],
            "stats": _stats(0.0, 255.0),
        },
    )


def _output_table(score_threshold: float) -> Table:
    labels = Table(
        "AssociatedFile",
        {
            "name": _LABELS_FILE,
            "description": "The name of each class, a line each, in the order of the outputs.",
            "type": TENSOR_AXIS_LABELS,
        },
    )
    threshold = Table("ScoreThresholdingOptions", {"global_score_threshold": score_threshold})
    return Table(
        "TensorMetadata",
        {
            "name": "probability",
            "description": "Probability of each class.",
            "content": _content(Table("FeatureProperties", {})),
            "process_units": [_unit(threshold)],
            "stats": _stats(0.0, 1.0),
            "associated_files": [labels],
        },
    )


def _content(properties: Table) -> Table:
    return Table("Content", {"content_properties": properties})


def _unit(options: Table) -> Table:
    return Table("ProcessUnit", {"options": options})


def _stats(lowest: float, highest: float) -> Table:
    return Table("Stats", {"max": [highest], "min": [lowest]})


def _put(parsed: Any, data: bytes) -> None:
    """Sets the model's buffer of metadata, adding one where there is none."""
    entry = _metadata_entry(parsed)
    if entry is None:
        entry = schema.MetadataT()
        entry.name = METADATA_NAME
        entry.buffer = len(parsed.buffers)
        parsed.buffers.append(schema.BufferT())
        parsed.metadata = [*(parsed.metadata or []), entry]
    parsed.buffers[entry.buffer].data = np.frombuffer(data, np.uint8)


def _metadata_entry(parsed: Any) -> Any:
    """The model's list of metadata has one of ours, or None."""
    named = [m for m in parsed.metadata or [] if m.name == METADATA_NAME.encode()]
    return named[0] if named else None


def _metadata_bytes(parsed: Any) -> bytes:
    entry = _metadata_entry(parsed)
    data = None if entry is None else parsed.buffers[entry.buffer].data
    if data is None:
        raise ExportError("the model has no TFLite Metadata.")
    return bytes(bytearray(data))


def _with_zip(model: bytes, label_names: Sequence[str]) -> bytes:
    """The model with labels.txt packed behind it; offsets count from the model's first byte."""
    file = io.BytesIO()
    file.write(model)
    with zipfile.ZipFile(file, "w") as archive:
        # Stored and not deflated: runtimes read the text where it lies.
        text = "".join(f"{name}\n" for name in label_names)
        archive.writestr(stored_entry(_LABELS_FILE), text)
    return file.getvalue()


def _packed_files(model: bytes) -> dict[str, bytes]:
    """The content of each file packed behind the model."""
    try:
        with zipfile.ZipFile(io.BytesIO(model)) as archive:
            return {entry.filename: archive.read(entry) for entry in archive.infolist()}
    # RuntimeError: encrypted; NotImplementedError: packed in a way that zipfile does not know.
    except (zipfile.BadZipFile, EOFError, RuntimeError, zlib.error) as error:
        raise ExportError(f"the files packed behind the model are damaged ({error}).") from None


def _read(data: bytes, files: dict[str, bytes]) -> TasksMetadata:
    about = unpacked(data, "ModelMetadata").values
    (end,) = about["subgraph_metadata"][0].values["output_tensor_metadata"]
    (threshold,) = _of_kind("ScoreThresholdingOptions", end.values["process_units"])
    (labels,) = (
        f.values["name"]
        for f in end.values["associated_files"]
        if f.values["type"] == TENSOR_AXIS_LABELS
    )
    text = files[labels].decode("utf-8")
    stored = np.float32(threshold.values.get("global_score_threshold", 0.0))
    return TasksMetadata(
        name=about["name"],
        description=about["description"],
        version=about["version"],
        label_names=tuple(text.split("\n")[:-1]),
        # The shortest number that is this float32: 0.87 comes back as 0.87.
        score_threshold=float(str(stored)),
    )


def _of_kind(kind: str, units: list[Table]) -> list[Table]:
    options = [u.values["options"] for u in units if "options" in u.values]
    return [o for o in options if o.kind == kind]
