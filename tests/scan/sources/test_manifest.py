import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgedistill.errors import DatasetError
from edgedistill.scan.sources.manifest import (
    ManifestRow,
    is_csv_manifest,
    is_manifest_name,
    read_manifest,
)


def rows(folder: Path, text: str | bytes, name: str = "photos.csv") -> list[ManifestRow]:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return list(read_manifest(path, name))


def refusal(folder: Path, text: str | bytes, name: str = "photos.csv") -> str:
    with pytest.raises(DatasetError) as caught:
        rows(folder, text, name)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_path_and_label_suffice_and_other_columns_are_ignored(tmp_path):
    assert rows(tmp_path, "id,label,path\n7,cup,a.jpg\n8,plate,b/c.jpg\n") == [
        ManifestRow(2, "a.jpg", "cup", "", "", ""),
        ManifestRow(3, "b/c.jpg", "plate", "", "", ""),
    ]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_header_tells_the_delimiter(tmp_path, delimiter, start, end):
    lines = ("Path,Label ,split,group", "a b.jpg,tea cup,valid,g1", '"x,y;z\t.jpg",é,test,')
    text = end.join(lines).replace(",", delimiter).replace(f"x{delimiter}y", "x,y") + end
    assert rows(tmp_path, start + text.encode()) == [
        ManifestRow(2, "a b.jpg", "tea cup", "val", "g1", ""),
        ManifestRow(3, "x,y;z\t.jpg", "é", "test", "", ""),
    ]


def test_the_tables_that_split_writes_are_manifests_with_everything_kept(tmp_path):
    text = (
        "filepath,label_index,label_name,split,group,height_px,width_px,brightness,contrast,"
        "sharpness,digest,data_dir\n"
        '"cup/a, ""b"".jpg",0,cup,train,g7,40,30,0.5,0.2,0.1,00ff,/data/photos\n'
        "plate/1.png,1,plate,train,,20,50,0.5,0.2,0.1,00fe,gs://bucket/photos\n"
    )
    assert rows(tmp_path, text, "train.csv") == [
        ManifestRow(2, 'cup/a, "b".jpg', "cup", "train", "g7", "/data/photos"),
        ManifestRow(3, "plate/1.png", "plate", "train", "", "gs://bucket/photos"),
    ]
    assert is_csv_manifest(tmp_path / "train.csv")


def test_json_lines_are_read_by_their_keys(tmp_path):
    text = (
        '{"path": "a.jpg", "label": "cup", "boxes": [1, 2]}\n\n'
        '{"label_name": 7, "filepath": "b\\u00e9.jpg", "group": null, "data_dir": "x.zip"}\r\n'
    )
    wanted = [
        ManifestRow(1, "a.jpg", "cup", "", "", ""),
        ManifestRow(3, "bé.jpg", "7", "", "", "x.zip"),
    ]
    assert rows(tmp_path, text, "photos.jsonl") == wanted
    assert rows(tmp_path, text, "photos.NDJSON") == wanted


def test_blank_lines_and_line_breaks_in_quotes_do_not_confuse_the_line_numbers(tmp_path):
    text = 'path,label\n\n"a\nb.jpg",cup\nc.jpg,plate\nd.jpg\n'
    path = tmp_path / "x.csv"
    path.write_text(text)
    read = read_manifest(path, "x.csv")
    assert [(next(read).line, row_path) for row_path in ("a\nb.jpg", "c.jpg")] == [
        (3, "a\nb.jpg"), (5, "c.jpg"),
    ]  # fmt: skip
    with pytest.raises(DatasetError, match=r"x\.csv: line 6 must have 2 fields"):
        next(read)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "line 1 must be a header with the columns path and label"),
        ("a.jpg,cup\nb.jpg,plate\n", "line 1 must be a header with the columns path and label"),
        ("path,filepath,label\n", "line 1 must have one column of path or filepath, and has 2"),
        ("path,label\na.jpg,cup,train\n", "line 2 must have 2 fields, as the header has"),
        ("path,label\na.jpg,cup\n,cup\n", "line 3 has no path"),
        ("path,label\na.jpg,cup\nb.jpg, \n", "line 3 has no label"),
        ("path,label\na\0.jpg,cup\n", "line 2 has a NUL byte in its path"),
        (b"path,label\na.jpg,cup\nb.jpg,caf\xe9\n", "line 3 has a label that is not UTF-8"),
        ('path,label\na.jpg,"cup\n', "line 2 unexpected end of data"),
        ('path,label\na.jpg,"cup"s\n', "line 2 "),
        ("path,label\na.jpg," + "x" * 200_000 + "\n", "line 2 field larger than field limit"),
        ("path,label\na.jpg," + "x" * 2_000_000, "line 2 is longer than a million characters"),
        ("path,label,split\na.jpg,cup,holdout\n", "line 2 must have train, val, test or calib as "
                                                  "split, and has 'holdout'"),
        ("path,label,split\na.jpg,cup,train\nb.jpg,cup,\n",
         "line 3 has no split where the rows above have one"),
        ("path,label,split\na.jpg,cup,\nb.jpg,cup,test\n",
         "line 3 has a split where the rows above have none"),
        ("p\0ath,label\na,b\n", "line 1 must be a header"),
        ("path,label\n".encode("utf-16"), "line 1 must be a header"),
    ],
)  # fmt: skip
def test_a_damaged_csv_is_one_sentence_with_its_line(tmp_path, text, sentence):
    assert refusal(tmp_path, text).startswith(f"photos.csv: {sentence}")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"path": "a.jpg", "label": "cup"}\n{"path": ', "line 2 is no JSON"),
        ("[" * 100_000, "line 1 is no JSON"),
        ("\n[1]\n", "line 2 must be a JSON object"),
        ('{"path": "a.jpg"}', "line 1 has no label"),
        ('{"path": "a.jpg", "label": null}', "line 1 has no label"),
        ('{"path": "a.jpg", "label": true}', "line 1 must have a text as label, and has true"),
        ('{"path": ["a.jpg"], "label": "b"}', 'line 1 must have a text as path, and has ["a.jpg"]'),
        ('{"path": "a.jpg", "label": "b", "label_name": "c"}', "line 1 must have one column of"),
        ('{"path": "\\ud800.jpg", "label": "cup"}', "line 1 has a path that is not UTF-8"),
        ('{"path": "\\u0000.jpg", "label": "cup"}', "line 1 has a NUL byte in its path"),
    ],
)
def test_a_damaged_json_line_is_one_sentence_with_its_line(tmp_path, text, sentence):
    assert refusal(tmp_path, text, "x.jsonl").startswith(f"x.jsonl: {sentence}")


def test_a_manifest_that_cannot_be_read_is_one_sentence(tmp_path):
    with pytest.raises(DatasetError, match=r"x\.csv cannot be read: Is a directory"):
        list(read_manifest(tmp_path, "x.csv"))


def test_manifests_are_known_by_their_names_and_csv_ones_by_their_header(tmp_path):
    assert is_manifest_name("gs://b/Photos.CSV")
    assert not is_manifest_name("photos.csv.zip")
    path = tmp_path / "train.csv"
    for data in (b"id,label\n1,cup\n", b"", b"\xff\xfe\x00", b"path;name\n"):
        path.write_bytes(data)
        assert not is_csv_manifest(path)
    path.write_bytes(b"\xef\xbb\xbflabel;path")
    assert is_csv_manifest(path)


def test_rows_are_read_one_at_a_time(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("path,label\na.jpg,cup\n" + "b.jpg\n" * 100_000)
    read = read_manifest(path, "x.csv")
    assert next(read).path == "a.jpg"
    with pytest.raises(DatasetError, match="line 3 must have 2 fields"):
        next(read)


FIELD = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), min_size=1).filter(
    lambda text: text.strip() != ""
)


@settings(max_examples=40, deadline=None)
@given(written=st.lists(st.tuples(FIELD, FIELD), max_size=5), is_csv=st.booleans())
def test_whatever_a_program_writes_is_read_as_it_was(tmp_path_factory, written, is_csv):
    file = io.StringIO(newline="")
    if is_csv:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([("path", "label"), *written])
    else:
        file.writelines(f"{json.dumps({'path': p, 'label': n})}\n" for p, n in written)
    name = "x.csv" if is_csv else "x.jsonl"
    folder = tmp_path_factory.mktemp("written")
    read = rows(folder, file.getvalue(), name)
    assert [(row.path, row.label_name) for row in read] == written
