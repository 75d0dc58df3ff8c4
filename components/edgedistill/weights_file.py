"""Weights that a user names by a place, brought to this machine: a word, a path or an object.

`tf` reads local files and knows of no bucket, so a step resolves the place first.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgedistill.errors import StorageError, WeightsError
from edgedistill.storage.buckets import Address, ObjectError, describe
from edgedistill.storage.downloads import download
from edgedistill.storage.files import BUCKET_SCHEMES

# ResNet101 with two rows of Adam has half of that.
_MOST_BYTES = 1 << 30


@contextmanager
def local_weights(place: str) -> Iterator[str]:
    """What `tf.weights` takes for a setting of weights; a downloaded file is removed at the end.

    An error of the block names the place in its words, not the file's passing path.

    Args:
        place: `imagenet`, `none`, a path, gs://bucket/object or s3://bucket/object.

    Yields:
        The word or the path as it is, or the path of a copy of the object.

    Raises:
        WeightsError: another kind of address, or too large to be weights.
        StorageError: the object is not there or cannot be read, or there is no room for it.
    """
    if not is_weights_object(place):
        yield place
        return
    check_weights_object(place)
    with tempfile.TemporaryDirectory(prefix="weights-") as folder:
        copy = Path(folder) / "weights"
        try:
            download(place, copy)
        except OSError as error:
            raise StorageError(
                f"{place} finds no room in {folder}: {error.strerror}; free some space there."
            ) from None
        try:
            yield str(copy)
        except (WeightsError, StorageError) as error:
            raise type(error)(str(error).replace(str(copy), place)) from None


def check_weights(arch: str, place: str) -> None:
    """Refuses weights that cannot be had or do not fit, before anything is computed.

    Those in a bucket are downloaded for it; TensorFlow is imported, which takes seconds.

    Args:
        arch: name of the network.
        place: as `local_weights` takes it.

    Raises:
        WeightsError: they do not fit the network, or cannot be had.
        StorageError: the object is not there or cannot be read, or there is no room for it.
    """
    from edgedistill.tf.weights import ensure_available

    with local_weights(place) as weights:
        ensure_available(arch, weights)


def is_weights_object(place: str) -> bool:
    """Whether the weights lie in a bucket; words and paths do not.

    Raises:
        WeightsError: another kind of address, such as https://.
    """
    if place.startswith(BUCKET_SCHEMES):
        return True
    if "://" in place:
        raise WeightsError(
            "weights must be imagenet, none, a file, gs://bucket/object or s3://bucket/object; "
            f"got {place}."
        )
    return False


def check_weights_object(place: str) -> None:
    """Refuses an object that is not there, may not be read or is too large; downloads nothing.

    Raises:
        WeightsError: it is too large to be weights.
        StorageError: it is not there, or cannot be read.
    """
    try:
        found = describe(Address.parse(place))
    except ObjectError as error:
        raise StorageError(f"{place} {error}.") from None
    if found.size_bytes > _MOST_BYTES:
        raise WeightsError(
            f"{place} has {found.size_bytes / 1e6:.0f} MB; weights have at most "
            f"{_MOST_BYTES / 1e6:.0f} MB."
        )
