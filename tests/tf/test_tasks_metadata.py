"""TFLite Metadata: what is written is read again, by ours and by numbers; the rest is refused."""

import io
import struct
import zipfile
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from flatbuffers.table import Table

from edgedistill.errors import ExportError
from edgedistill.tf.tasks_file import parsed_model, tasks_model
from edgedistill.tf.tasks_metadata import TasksMetadata, read_metadata, with_metadata
from tests.tflite_files import damaged_copies, tiny_int8_model

NAMES = ("a b", "Ärmel, kurz", "中文", "👕🏽", 'the "best"', "x'y;\\", "#7")
ABOUT: dict[str, Any] = {
    "name": "edgedistill",
    "description": "Tells 7 kinds apart – «ja».",
    "version": "1.2.0",
    "label_names": NAMES,
    "score_threshold": 0.87,
}
MODEL = tasks_model(tiny_int8_model(n_classes=len(NAMES)))


def test_what_is_written_is_read_again() -> None:
    assert read_metadata(with_metadata(MODEL, **ABOUT)) == TasksMetadata(**ABOUT)


@pytest.mark.parametrize("threshold", [0.0, 1.0, 0.01, 0.99])
def test_every_threshold_comes_back_as_it_was_given(threshold: float) -> None:
    made = with_metadata(MODEL, **{**ABOUT, "score_threshold": threshold})
    assert read_metadata(made).score_threshold == threshold


def field(table: Table, number: int) -> int:
    """Where field `number` of the table lies; its place in the schema counts from 0."""
    offset = table.Offset(4 + 2 * number)
    assert offset, f"field {number} is absent"
    return int(table.Pos + offset)


def inner(table: Table, number: int) -> Table:
    return Table(table.Bytes, table.Indirect(field(table, number)))


def only_item(table: Table, number: int) -> Table:
    offset = table.Offset(4 + 2 * number)
    assert table.VectorLen(offset) == 1
    return Table(table.Bytes, table.Indirect(table.Vector(offset)))


def floats(table: Table, number: int) -> list[float]:
    offset = table.Offset(4 + 2 * number)
    start, length = table.Vector(offset), table.VectorLen(offset)
    return list(struct.unpack_from(f"<{length}f", table.Bytes, start))


def test_each_field_has_the_number_that_the_schema_gives_it() -> None:
    # Numbers: the fields' order in metadata_schema.fbs 1.5.0, a union counting twice.
    model = parsed_model(with_metadata(MODEL, **ABOUT))
    (buffer,) = (m.buffer for m in model.metadata if m.name == b"TFLITE_METADATA")
    data = bytearray(model.buffers[buffer].data)
    assert data[4:8] == b"M001"
    root = Table(data, struct.unpack_from("<I", data)[0])
    assert root.String(field(root, 0)) == b"edgedistill"
    assert root.String(field(root, 1)).decode() == ABOUT["description"]
    assert root.String(field(root, 2)) == b"1.2.0"
    assert root.String(field(root, 7)) == b"1.0.0"
    graph = only_item(root, 3)
    image, scores = only_item(graph, 2), only_item(graph, 3)

    assert image.String(field(image, 0)) == b"image"
    content = inner(image, 3)
    assert data[field(content, 0)] == 2  # ImageProperties
    picture = inner(content, 1)
    assert data[field(picture, 0)] == 1  # RGB
    size = inner(picture, 1)
    assert [struct.unpack_from("<I", data, field(size, n))[0] for n in (0, 1)] == [8, 8]
    unit = only_item(image, 4)
    assert data[field(unit, 0)] == 1  # NormalizationOptions: mean, std
    assert [floats(inner(unit, 1), n) for n in (0, 1)] == [[0.0], [1.0]]
    assert [floats(inner(image, 5), n) for n in (0, 1)] == [[255.0], [0.0]]  # max, min

    assert data[field(inner(scores, 3), 0)] == 1  # FeatureProperties
    unit = only_item(scores, 4)
    assert data[field(unit, 0)] == 3  # ScoreThresholdingOptions
    threshold = inner(unit, 1)
    assert struct.unpack_from("<f", data, field(threshold, 0))[0] == np.float32(0.87)
    assert [floats(inner(scores, 5), n) for n in (0, 1)] == [[1.0], [0.0]]
    labels = only_item(scores, 6)
    assert labels.String(field(labels, 0)) == b"labels.txt"
    assert data[field(labels, 2)] == 2  # TENSOR_AXIS_LABELS


def test_the_zips_offsets_count_from_the_first_byte_of_the_whole_file() -> None:
    made = with_metadata(MODEL, **ABOUT)
    text = "".join(f"{name}\n" for name in NAMES).encode()
    # End of central directory, 22 bytes: entries at 10, the directory's size at 12 and place at 16.
    end = made[-22:]
    assert end[:4] == b"PK\5\6"
    n_entries, n_bytes, directory = struct.unpack_from("<HII", end, 10)
    assert (n_entries, directory + n_bytes) == (1, len(made) - 22)
    assert made[directory : directory + 4] == b"PK\1\2"
    (entry,) = struct.unpack_from("<I", made, directory + 42)
    assert made[entry : entry + 4] == b"PK\3\4"
    method, when, day = struct.unpack_from("<HHH", made, entry + 8)
    # Stored; midnight; day 1 (bits 0-4) of month 1 (bits 5-8) of year 1980 (bits 9 and up).
    assert (method, when, day) == (0, 0, 1 + (1 << 5))
    name_length, extra_length = struct.unpack_from("<HH", made, entry + 26)
    start = entry + 30 + name_length + extra_length
    assert made[start : start + len(text)] == text
    # The model ends where the zip begins: nothing of it is lost, nothing lies between.
    assert entry % 16 == 0
    assert b"PK\3\4" not in made[:entry]
    # Made on Unix, wherever it was made.
    assert made[directory + 5] == 3
    with zipfile.ZipFile(io.BytesIO(made)) as archive:
        assert archive.testzip() is None


def test_the_same_arguments_give_the_same_bytes() -> None:
    assert with_metadata(MODEL, **ABOUT) == with_metadata(bytes(bytearray(MODEL)), **ABOUT)


def test_metadata_that_are_there_already_are_replaced() -> None:
    other = {**ABOUT, "version": "9", "label_names": [f"other {i}" for i in range(7)]}
    first = with_metadata(MODEL, **other)
    assert with_metadata(first, **ABOUT) == with_metadata(MODEL, **ABOUT)


def test_the_network_is_left_alone() -> None:
    made = with_metadata(MODEL, **ABOUT)
    assert [answers(made, value) for value in (0, 90, 255)] == [
        answers(MODEL, value) for value in (0, 90, 255)
    ]


def answers(model: bytes, red: int) -> list[int]:
    interpreter = Interpreter(model_content=model)
    interpreter.allocate_tensors()
    image = np.zeros((1, 8, 8, 3), np.uint8)
    image[..., 0] = red
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image)
    interpreter.invoke()
    scores: list[int] = interpreter.get_tensor(
        interpreter.get_output_details()[0]["index"]
    ).tolist()
    return scores


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"label_names": NAMES[:-1]}, "must be 7; got 6"),
        ({"label_names": (*NAMES[:-1], "")}, "one line of text; got ''"),
        ({"label_names": (*NAMES[:-1], "a\nb")}, "one line of text; got 'a\\\\nb'"),
        ({"label_names": (*NAMES[:-1], "a\r")}, "one line of text; got 'a\\\\r'"),
        ({"score_threshold": 1.01}, "must be in \\[0, 1\\]; got 1.01"),
        ({"score_threshold": -0.01}, "must be in \\[0, 1\\]; got -0.01"),
        ({"score_threshold": float("nan")}, "must be in \\[0, 1\\]; got nan"),
    ],
)
def test_what_cannot_be_told_is_refused(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        with_metadata(MODEL, **{**ABOUT, **wrong})


def test_a_file_with_other_ends_is_refused() -> None:
    with pytest.raises(ExportError, match=r"uint8 pixels .* got .*int8"):
        with_metadata(tiny_int8_model(n_classes=7), **ABOUT)


def test_a_file_without_metadata_is_refused() -> None:
    with pytest.raises(ExportError, match="has no TFLite Metadata"):
        read_metadata(MODEL)


def damaged(old: bytes, new: bytes) -> bytes:
    made = with_metadata(MODEL, **ABOUT)
    assert made.count(old) >= 1
    return made.replace(old, new)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (b"M001", b"M002", "must have identifier M001; got b'M002'"),
        ("中文".encode(), "中人".encode(), "damaged .*CRC"),
        (b"PK\5\6", b"PK\5\7", "damaged .*not a zip file"),
        (b"\x0a\0\0\0labels.txt", b"\x0a\0\0\0labelz.txt", "damaged .*labelz.txt"),
        (b"Tells 7", b"Tells \xff", "damaged .*utf-8"),
    ],
)
def test_damaged_metadata_are_refused(old: bytes, new: bytes, words: str) -> None:
    with pytest.raises(ExportError, match=words):
        read_metadata(damaged(old, new))


def test_a_file_damaged_anywhere_is_read_or_refused_and_nothing_else() -> None:
    n_refused = 0
    for copy in damaged_copies(with_metadata(MODEL, **ABOUT)):
        try:
            read_metadata(copy)
        except ExportError:
            n_refused += 1
    assert 20 < n_refused < 120
