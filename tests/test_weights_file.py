"""Weights named by a place: words and paths as they are, objects brought here and removed."""

from pathlib import Path

import pytest

from edgedistill import weights_file
from edgedistill.errors import StorageError, WeightsError
from edgedistill.weights_file import (
    check_weights,
    check_weights_object,
    is_weights_object,
    local_weights,
)
from tests.storage.servers import Bucket


@pytest.mark.parametrize("place", ["imagenet", "none", "/data/lite1.pth", "lite1.pth"])
def test_words_and_paths_pass_as_they_are(place: str) -> None:
    assert not is_weights_object(place)
    with local_weights(place) as local:
        assert local == place


def test_an_object_is_a_local_file_for_as_long_as_it_is_needed(bucket: Bucket) -> None:
    content = bytes(range(256)) * 1000
    place = bucket.put("models/lite1.pth", content)
    assert is_weights_object(place)
    check_weights_object(place)
    with local_weights(place) as local:
        path = Path(local)
        assert path.read_bytes() == content
    assert not path.parent.exists()


def test_an_object_that_does_not_fit_is_called_by_its_address(bucket: Bucket) -> None:
    place = bucket.put("lite1.pth", b"no weights")
    with pytest.raises(WeightsError) as caught, local_weights(place) as local:
        raise WeightsError(f"{local} does not fit efficientnet_lite1: it is text.")
    assert str(caught.value) == f"{place} does not fit efficientnet_lite1: it is text."
    assert not Path(local).parent.exists()


def test_an_object_that_finds_no_room_is_called_by_its_address(bucket: Bucket) -> None:
    place = bucket.put("lite1.pth", b"weights")
    with pytest.raises(StorageError) as caught, local_weights(place) as local:
        raise StorageError(f"{local} finds no room.")
    assert str(caught.value) == f"{place} finds no room."


@pytest.mark.slow
def test_weights_are_looked_at_where_they_are(bucket: Bucket) -> None:
    from edgedistill.tf.weights import packaged_lite_weights

    content = packaged_lite_weights("efficientnet_lite1").read_bytes()
    place = bucket.put("lite1.pth", content)
    check_weights("efficientnet_lite1", place)
    with pytest.raises(WeightsError, match=f"^{place} does not fit efficientnet_lite2: "):
        check_weights("efficientnet_lite2", place)
    cut = bucket.put("cut.pth", content[:-1000])
    with pytest.raises(WeightsError, match=f"^{cut} does not fit efficientnet_lite1: "):
        check_weights("efficientnet_lite1", cut)


def test_an_object_that_is_not_there_is_refused_by_its_address(bucket: Bucket) -> None:
    place = f"{bucket.address}/nothing.pth"
    with pytest.raises(StorageError, match=place):
        check_weights_object(place)
    with pytest.raises(StorageError, match=place), local_weights(place):
        pass
    with pytest.raises(StorageError, match="no such bucket"):
        check_weights_object(f"{bucket.address}-other/lite1.pth")


def test_an_object_too_large_for_weights_is_not_downloaded(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = bucket.put("lite1.pth", bytes(2_000_001))
    monkeypatch.setattr(weights_file, "_MOST_BYTES", 2_000_001)
    check_weights_object(place)
    monkeypatch.setattr(weights_file, "_MOST_BYTES", 2_000_000)
    with pytest.raises(WeightsError, match="has 2 MB; weights have at most 2 MB"):
        check_weights_object(place)
    with pytest.raises(WeightsError, match="has 2 MB"), local_weights(place):
        pass


def test_another_kind_of_address_is_refused() -> None:
    for place in ("https://example.com/lite1.pth", "file:///data/lite1.pth"):
        with pytest.raises(WeightsError, match=f"gs://bucket/object .*; got {place}"):
            is_weights_object(place)
        with pytest.raises(WeightsError, match="gs://bucket/object"), local_weights(place):
            pass
