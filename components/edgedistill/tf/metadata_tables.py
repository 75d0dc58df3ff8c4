"""The tables of TFLite Metadata that we use, to and from their FlatBuffer.

Written by hand, as the package that holds the generated classes drags in a runtime of its own.
"""

from typing import Any, NamedTuple

import flatbuffers
from flatbuffers.number_types import Float32Flags, Int32Flags, Uint8Flags, Uint32Flags
from flatbuffers.table import Table as Reader

IDENTIFIER = b"M001"


class Table(NamedTuple):
    """A table: its name in the schema, and the fields that it has.

    A value is a str, int, float, Table, a list of floats or a list of tables, as the field asks.
    A field that is a union holds the table alone; its type follows from the table's kind.
    """

    kind: str
    values: dict[str, Any]


RGB = 1
"""Of `color_space`."""
TENSOR_AXIS_LABELS = 2
"""Of an associated file's `type`."""

# Each field with its type, in the order of metadata_schema.fbs 1.5.0: the place in the order is
# the field's number in the FlatBuffer. A union takes two places, its type and its value.
_FIELDS: dict[str, tuple[tuple[str, str], ...]] = {
    "ModelMetadata": (
        ("name", "string"),
        ("description", "string"),
        ("version", "string"),
        ("subgraph_metadata", "[SubGraphMetadata]"),
        ("author", "string"),
        ("license", "string"),
        ("associated_files", "[AssociatedFile]"),
        ("min_parser_version", "string"),
    ),
    "SubGraphMetadata": (
        ("name", "string"),
        ("description", "string"),
        ("input_tensor_metadata", "[TensorMetadata]"),
        ("output_tensor_metadata", "[TensorMetadata]"),
    ),
    "TensorMetadata": (
        ("name", "string"),
        ("description", "string"),
        ("dimension_names", "[string]"),
        ("content", "Content"),
        ("process_units", "[ProcessUnit]"),
        ("stats", "Stats"),
        ("associated_files", "[AssociatedFile]"),
    ),
    "Content": (("content_properties_type", "byte"), ("content_properties", "ContentProperties")),
    "FeatureProperties": (),
    "ImageProperties": (("color_space", "byte"), ("default_size", "ImageSize")),
    "ImageSize": (("width", "uint"), ("height", "uint")),
    "ProcessUnit": (("options_type", "byte"), ("options", "ProcessUnitOptions")),
    "NormalizationOptions": (("mean", "[float]"), ("std", "[float]")),
    "ScoreThresholdingOptions": (("global_score_threshold", "float"),),
    "Stats": (("max", "[float]"), ("min", "[float]")),
    "AssociatedFile": (("name", "string"), ("description", "string"), ("type", "byte")),
}
_UNIONS = {
    "ContentProperties": {1: "FeatureProperties", 2: "ImageProperties"},
    "ProcessUnitOptions": {1: "NormalizationOptions", 3: "ScoreThresholdingOptions"},
}
_NUMBERS = {"byte": (Uint8Flags, 0), "uint": (Uint32Flags, 0), "float": (Float32Flags, 0.0)}


def packed(table: Table) -> bytes:
    """The FlatBuffer with `table` as its root; the same bytes for the same table."""
    builder = flatbuffers.Builder(1024)
    builder.Finish(_write(builder, table), file_identifier=IDENTIFIER)
    return bytes(builder.Output())


def unpacked(data: bytes, kind: str) -> Table:
    """The root of the FlatBuffer, read as a table of that kind.

    Fields that the file leaves out, and tables of a union that are not listed here, are absent.
    A damaged file raises what `flatbuffers` does (struct.error, ValueError, IndexError).
    """
    root = int.from_bytes(data[:4], "little")
    return _read(kind, Reader(bytearray(data), root))


def _write(builder: Any, table: Table) -> int:
    """Writes what the table holds, then the table; returns where it lies."""
    values = dict(table.values)
    fields = _FIELDS[table.kind]
    for name, kind in fields:
        if kind in _UNIONS and name in values:
            values[f"{name}_type"] = _code(kind, values[name].kind)
    placed = {name: _place(builder, value) for name, value in values.items()}
    builder.StartObject(len(fields))
    for slot, (name, kind) in enumerate(fields):
        if name not in placed:
            continue
        if kind in _NUMBERS:
            number, default = _NUMBERS[kind]
            builder.PrependSlot(number, slot, placed[name], default)
        else:
            builder.PrependUOffsetTRelativeSlot(slot, placed[name], 0)
    return int(builder.EndObject())


def _code(union: str, kind: str) -> int:
    return next(code for code, name in _UNIONS[union].items() if name == kind)


def _place(builder: Any, value: Any) -> Any:
    """Where the value lies once written; a number is itself, for it stands in its table."""
    if isinstance(value, str):
        return builder.CreateString(value)
    if isinstance(value, Table):
        return _write(builder, value)
    if not isinstance(value, list):
        return value
    if isinstance(value[0], float):
        return _vector(builder, value, builder.PrependFloat32)
    return _vector(builder, [_place(builder, v) for v in value], builder.PrependUOffsetTRelative)


def _vector(builder: Any, values: list[Any], prepend: Any) -> int:
    builder.StartVector(4, len(values), 4)
    for value in reversed(values):
        prepend(value)
    return int(builder.EndVector())


def _read(kind: str, reader: Any) -> Table:
    values: dict[str, Any] = {}
    for slot, (name, field) in enumerate(_FIELDS[kind]):
        # A table's own table of offsets begins with two sizes, hence 4; an entry is 2 bytes.
        place = reader.Offset(4 + 2 * slot)
        if field in _UNIONS:
            field = _UNIONS[field].get(values.pop(f"{name}_type", 0), "")
        if place and field:
            values[name] = _read_value(field, reader, reader.Pos + place)
    return Table(kind, values)


def _read_value(field: str, reader: Any, place: int) -> Any:
    if field in _NUMBERS:
        return reader.Get(_NUMBERS[field][0], place)
    if field == "string":
        return reader.String(place).decode("utf-8")
    if not field.startswith("["):
        return _read(field, Reader(reader.Bytes, reader.Indirect(place)))
    # A vector: its length, then values of 4 bytes or offsets of as many.
    vector = place + reader.Get(Int32Flags, place)
    length = reader.Get(Uint32Flags, vector)
    return [_read_value(field[1:-1], reader, vector + 4 + 4 * i) for i in range(length)]
