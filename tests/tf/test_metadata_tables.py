"""Tables in their FlatBuffer: order, absence, and what is cut short."""

import struct

import flatbuffers
import pytest

from edgedistill.tf.metadata_tables import Table, packed, unpacked
from edgedistill.tf.tasks_file import UNREADABLE

COLOURS = Table("NormalizationOptions", {"mean": [1.0, 2.0, 3.0], "std": [4.0, 5.0, 6.0]})
FILES = [Table("AssociatedFile", {"name": name, "type": 2}) for name in ("a", "b", "c")]
MODEL = Table("ModelMetadata", {"name": "n", "associated_files": FILES, "version": "1"})


def test_values_of_a_vector_stay_in_their_order() -> None:
    assert unpacked(packed(COLOURS), "NormalizationOptions") == COLOURS
    # Of a vector, in the bytes: its length, then its values.
    assert struct.pack("<Ifff", 3, 1.0, 2.0, 3.0) in packed(COLOURS)


def test_tables_of_a_vector_stay_in_their_order() -> None:
    assert unpacked(packed(MODEL), "ModelMetadata") == MODEL


def test_what_is_absent_stays_absent() -> None:
    table = unpacked(packed(Table("ModelMetadata", {"name": "n"})), "ModelMetadata")
    assert table.values == {"name": "n"}


def test_a_table_of_a_union_that_is_not_known_is_absent() -> None:
    # ScoreCalibrationOptions, number 2 of ProcessUnitOptions.
    builder = flatbuffers.Builder(64)
    builder.StartObject(2)
    options = builder.EndObject()
    builder.StartObject(2)
    builder.PrependUint8Slot(0, 2, 0)
    builder.PrependUOffsetTRelativeSlot(1, options, 0)
    builder.Finish(builder.EndObject())
    assert unpacked(bytes(builder.Output()), "ProcessUnit") == Table("ProcessUnit", {})


def test_a_file_cut_short_is_unreadable() -> None:
    data = packed(MODEL)
    for n_bytes in range(0, len(data) - 8, 4):
        with pytest.raises(UNREADABLE):
            unpacked(data[:n_bytes], "ModelMetadata")
