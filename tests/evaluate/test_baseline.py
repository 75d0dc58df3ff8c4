"""Bundles of a model made by hand, read from folders, zips and real buckets."""

import json
import zipfile
from pathlib import Path

import pytest

from edgedistill.errors import SettingError, StorageError
from edgedistill.evaluate.baseline import read_baseline
from tests.calibrate.bundle.model_folder import write_model_folder
from tests.evaluate.photo_folders import CLASSES, SIDE_PX, write_colours
from tests.storage.servers import Bucket

NAMES = ("model_qat_int8.tflite", "labels.txt", "model_metadata.json")
# The class of a plain photo of this colour, by the arithmetic in tests/tflite_files.py.
COLOURS = [(200, 0, 0), (0, 200, 0), (0, 0, 200)]


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write_model_folder(tmp_path / "bundle", CLASSES)


def zipped(bundle: Path, names: tuple[str, ...] = NAMES) -> Path:
    path = bundle.with_suffix(".zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.write(bundle / name, name)
    return path


def test_a_folder_and_a_zip_are_the_same_bundle(bundle):
    in_folder, in_zip = read_baseline(str(bundle)), read_baseline(str(zipped(bundle)))
    assert in_folder.model == in_zip.model == (bundle / NAMES[0]).read_bytes()
    assert in_folder.label_names == in_zip.label_names == CLASSES
    assert in_folder.img_size_px == in_zip.img_size_px == SIDE_PX


def test_a_bundle_may_lie_in_a_bucket(bundle, bucket: Bucket):
    for name in NAMES:
        bucket.put(f"v1/{name}", (bundle / name).read_bytes())
    in_zip = bucket.put("edgedistill-1-abc.zip", zipped(bundle).read_bytes())
    for uri in (f"{bucket.address}/v1", f"{bucket.address}/v1/", in_zip):
        found = read_baseline(uri)
        assert (found.uri, found.label_names) == (uri, CLASSES)
    with pytest.raises(StorageError, match=r"v2/model_qat_int8\.tflite"):
        read_baseline(f"{bucket.address}/v2")


def test_answers_come_in_the_order_of_our_classes(tmp_path):
    # The earlier model's outputs are red, green, blue; it was told that they are called so:
    theirs = ["green", "blue", "red"]
    baseline = read_baseline(str(write_model_folder(tmp_path / "b", theirs)))
    photos = write_colours(tmp_path / "test", COLOURS, [0, 1, 2])
    baseline.require_fit(CLASSES, SIDE_PX)
    predicted = baseline.logits(photos.student_pixels, CLASSES).argmax(axis=1)
    assert [CLASSES[c] for c in predicted] == theirs


@pytest.mark.parametrize("input_type", ["int8", "uint8"])
def test_both_types_of_input_are_asked(tmp_path, input_type):
    folder = write_model_folder(tmp_path / "b", CLASSES, input_type=input_type)
    photos = write_colours(tmp_path / "test", COLOURS, [0, 1, 2])
    logits = read_baseline(str(folder)).logits(photos.student_pixels, CLASSES)
    assert logits.argmax(axis=1).tolist() == [0, 1, 2]


def test_other_classes_are_told_by_name(bundle):
    baseline = read_baseline(str(bundle))
    with pytest.raises(SettingError, match=r"the same 3 classes; .* differs in blue, cyan: give a"):
        baseline.require_fit(["red", "green", "cyan"], SIDE_PX)


def test_another_image_size_is_told_with_what_to_do(bundle):
    with pytest.raises(SettingError, match=r"for images of 240 px, .* --student_img_size 16,"):
        read_baseline(str(bundle)).require_fit(CLASSES, 240)


def test_a_place_without_a_bundle_is_told(tmp_path, bundle):
    with pytest.raises(SettingError, match="nowhere does not exist"):
        read_baseline(str(tmp_path / "nowhere"))
    with pytest.raises(SettingError, match=r"of .*, labels\.txt is not in it: give another bundle"):
        read_baseline(str(zipped(bundle, (NAMES[0], NAMES[2]))))
    (bundle / "labels.txt").unlink()
    with pytest.raises(StorageError, match=r"labels\.txt"):
        read_baseline(str(bundle))


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        ("model_metadata.json", b"{", "is no JSON"),
        ("model_metadata.json", b"[]", "is no JSON object"),
        ("model_metadata.json", b'{"sha256": "00"}', "tells of another file than model_qat"),
        ("labels.txt", b"red\ngreen\n", "its model has 3 outputs for 2 classes"),
    ],
)
def test_a_bundle_that_does_not_fit_together_is_refused(bundle, name, data, told):
    (bundle / name).write_bytes(data)
    with pytest.raises(SettingError, match=told):
        read_baseline(str(bundle))


def test_what_is_no_model_is_refused(bundle):
    (bundle / "model_metadata.json").write_text("{}")
    (bundle / "model_qat_int8.tflite").write_bytes(b"no model at all")
    with pytest.raises(SettingError, match=r"model_qat_int8\.tflite cannot be read"):
        read_baseline(str(bundle))
    not_a_zip = bundle.parent / "bundle.bin"
    not_a_zip.write_bytes(b"text")
    with pytest.raises(SettingError, match="the zip cannot be read"):
        read_baseline(str(not_a_zip))


def test_a_bundle_of_an_earlier_version_of_the_suite_is_read(bundle):
    path = bundle / "model_metadata.json"
    metadata = json.loads(path.read_text())
    del metadata["sha256"]
    metadata |= {"version": 1, "something_else": 5}
    path.write_text(json.dumps(metadata))
    assert read_baseline(str(bundle)).label_names == CLASSES
