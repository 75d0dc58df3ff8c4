"""What containers of a local run may see of this machine."""

from pathlib import Path

import pytest

from edgedistill.container_places import _VARIABLES, container_places
from edgedistill.declaration import Value
from edgedistill.presets import resolve


def settings(**given: Value) -> dict[str, Value]:
    return resolve({"data_dir": "sample", **given})


@pytest.fixture(autouse=True)
def no_logins(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in _VARIABLES:
        monkeypatch.delenv(name, raising=False)


def test_a_run_on_the_sample_sees_nothing() -> None:
    places = container_places(settings())
    assert (places.read, places.written, places.variables) == ((), (), {})


def test_photos_weights_and_an_earlier_bundle_are_read_and_nothing_is_written(
    tmp_path: Path,
) -> None:
    for name in ("photos", "more", "unknown"):
        (tmp_path / name).mkdir()
    for name in ("a.h5", "more/b.h5", "student.h5", "bundle.zip"):
        (tmp_path / name).touch()
    places = container_places(settings(
        data_dir=str(tmp_path / "photos"), unknown_uri=str(tmp_path / "unknown"),
        teacher_arch="efficientnet_b3,resnet101",
        teacher_weights=f"{tmp_path}/a.h5,{tmp_path}/more/b.h5",
        student_weights=str(tmp_path / "student.h5"), baseline_uri=str(tmp_path / "bundle.zip"),
    ))  # fmt: skip
    assert {str(p.relative_to(tmp_path)) for p in places.read} == {
        "photos", "unknown", "a.h5", "more/b.h5", "student.h5", "bundle.zip",
    }  # fmt: skip
    assert places.written == ()


def test_of_places_inside_each_other_the_outer_one_is_enough(tmp_path: Path) -> None:
    (tmp_path / "photos" / "unknown").mkdir(parents=True)
    (tmp_path / "photos2").mkdir()  # begins alike, lies beside
    places = container_places(settings(
        data_dir=str(tmp_path / "photos"), unknown_uri=str(tmp_path / "photos" / "unknown"),
        baseline_uri=str(tmp_path / "photos2"),
    ))  # fmt: skip
    assert places.read == (tmp_path / "photos", tmp_path / "photos2")


def test_a_place_that_is_read_and_written_is_mounted_once(tmp_path: Path) -> None:
    place = str(tmp_path / "bundles")
    Path(place).mkdir()
    places = container_places(settings(baseline_uri=place, export_uri=place))
    assert (places.read, places.written) == ((), (Path(place),))


@pytest.mark.parametrize("name", ["photos.csv", "photos.jsonl"])
def test_a_manifest_comes_with_the_photos_beside_it(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    assert container_places(settings(data_dir=str(tmp_path / name))).read == (tmp_path,)


def test_an_archive_comes_alone(tmp_path: Path) -> None:
    (tmp_path / "photos.zip").touch()
    places = container_places(settings(data_dir=str(tmp_path / "photos.zip")))
    assert places.read == (tmp_path / "photos.zip",)


def test_places_to_write_to_are_made(tmp_path: Path) -> None:
    places = container_places(settings(
        checkpoint_uri=str(tmp_path / "a" / "states"), export_uri=str(tmp_path / "shelf")
    ))  # fmt: skip
    assert places.written == (tmp_path / "a" / "states", tmp_path / "shelf")
    assert all(folder.is_dir() for folder in places.written)


def test_logins_are_shown_only_where_a_bucket_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = tmp_path / "key.json"
    key.touch()
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "credentials").touch()
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
    monkeypatch.setenv("OTHER_SECRET", "secret")
    local = container_places(settings(), home=tmp_path)
    assert (local.read, local.variables) == ((), {})
    bucket = container_places(settings(data_dir="s3://bucket/photos"), home=tmp_path)
    assert dict(bucket.variables) == {
        "GOOGLE_APPLICATION_CREDENTIALS": str(key),
        "AWS_ACCESS_KEY_ID": "id",
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / ".aws" / "credentials"),
    }
    assert set(bucket.read) == {key, tmp_path / ".aws" / "credentials"}
