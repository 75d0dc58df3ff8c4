"""An earlier bundle, read from wherever it lies, to be asked about the same test photos."""

import hashlib
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgedistill.artifacts import LABELS_FILE, MODEL_FILE, MODEL_METADATA
from edgedistill.errors import DatasetError, EdgedistillError, SettingError
from edgedistill.storage.archives import archive_tree, is_archive_name
from edgedistill.storage.downloads import download
from edgedistill.storage.files import BUCKET_SCHEMES, FoundFile
from edgedistill.storage.reading import UnreadableFileError, read, read_document
from edgedistill.tf.flatbuffer import FileFacts, read_facts
from edgedistill.tf.interpreter import Images, predict_outputs

_WANTED = (MODEL_FILE, LABELS_FILE, MODEL_METADATA.name)
_INTEGERS = ("int8", "uint8")


@dataclass(frozen=True)
class Baseline:
    """A bundle's model: its classes in the order of its outputs, and the side of its images."""

    uri: str
    model: bytes
    label_names: Sequence[str]
    img_size_px: int

    def require_fit(self, label_names: Sequence[str], size_px: int) -> None:
        """Refuses a model that cannot answer these photos.

        Raises:
            SettingError: it knows other classes, or takes images of another size.
        """
        if odd := sorted(set(self.label_names) ^ set(label_names)):
            raise SettingError(
                f"baseline_uri must be a bundle of the same {len(label_names)} classes; {self.uri} "
                f"differs in {', '.join(odd[:5])}{', ...' if len(odd) > 5 else ''}: give a bundle "
                "of these classes, or leave baseline_uri empty."
            )
        self.require_size(size_px)

    def require_size(self, size_px: int) -> None:
        """Refuses a model for images of another size, which one may ask before there are photos.

        Raises:
            SettingError: it takes images of another size.
        """
        if self.img_size_px != size_px:
            raise SettingError(
                f"baseline_uri must be a bundle for images of {size_px} px, as the test photos are "
                f"packed; {self.uri} takes {self.img_size_px} px: run with --student_img_size "
                f"{self.img_size_px}, or leave baseline_uri empty."
            )

    def logits(self, images: Images, label_names: Sequence[str]) -> NDArray[np.float32]:
        """Its answers, shape (n, n_classes), a column for each of `label_names`, in their order.

        The names must be those that `require_fit` allows.
        """
        own = {name: column for column, name in enumerate(self.label_names)}
        outputs = predict_outputs(self.model, images)
        return outputs[:, [own[name] for name in label_names]]


def read_baseline(uri: str) -> Baseline:
    """The model of a bundle, found whole and fitting together.

    Bundles of earlier versions of the suite are read too: of their metadata no more is used than
    what all versions have.

    Args:
        uri: a folder with the bundle's files, or a zip of them, here or in a bucket.

    Raises:
        SettingError: no bundle is there, or a damaged one.
        StorageError: the place cannot be read.
    """
    files = _read_zip(uri) if _is_zip(uri) else _read_folder(uri)
    model = files[MODEL_FILE]
    label_names = files[LABELS_FILE].decode("utf-8", "replace").split("\n")[:-1]
    _require_whole(uri, model, _metadata(uri, files[MODEL_METADATA.name]))
    facts = _facts(uri, model)
    (entry,), (end,) = facts.inputs, facts.outputs
    if end.shape[-1] != len(label_names):
        raise _damaged(uri, f"its model has {end.shape[-1]} outputs for {len(label_names)} classes")
    return Baseline(uri, model, label_names, entry.shape[1])


def _is_zip(uri: str) -> bool:
    if uri.startswith(BUCKET_SCHEMES):
        return is_archive_name(uri)
    return Path(uri).is_file()


def _read_folder(uri: str) -> dict[str, bytes]:
    if not uri.startswith(BUCKET_SCHEMES) and not Path(uri).is_dir():
        raise SettingError(
            f"baseline_uri must be a bundle, a folder or a zip; {uri} does not exist."
        )
    return {name: read_document(f"{uri.rstrip('/')}/{name}") for name in _WANTED}


def _read_zip(uri: str) -> dict[str, bytes]:
    with tempfile.TemporaryDirectory(prefix="edgedistill-") as scratch:
        path = Path(uri)
        if uri.startswith(BUCKET_SCHEMES):
            path = Path(scratch) / "bundle.zip"
            download(uri, path)
        try:
            tree = archive_tree(path, Path(scratch), uri)
        except DatasetError as error:
            raise _damaged(uri, f"the zip cannot be read ({str(error).rstrip('.')})") from None
        found = {
            file.place: file.content
            for file in tree.files()
            if isinstance(file, FoundFile) and file.place in _WANTED
        }
        if missing := [name for name in _WANTED if name not in found]:
            raise _damaged(uri, f"{missing[0]} is not in it")
        try:
            return {name: read(content) for name, content in found.items()}
        except UnreadableFileError as error:
            raise _damaged(uri, f"a file of it {error}") from None


def _metadata(uri: str, data: bytes) -> dict[str, Any]:
    try:
        content = json.loads(data)
    except ValueError as error:
        raise _damaged(uri, f"{MODEL_METADATA.name} is no JSON ({error})") from None
    if not isinstance(content, dict):
        raise _damaged(uri, f"{MODEL_METADATA.name} is no JSON object")
    return content


def _require_whole(uri: str, model: bytes, metadata: dict[str, Any]) -> None:
    told = metadata.get("sha256", "")  # the first version of the document had none
    if told and told != hashlib.sha256(model).hexdigest():
        raise _damaged(uri, f"{MODEL_METADATA.name} tells of another file than {MODEL_FILE}")


def _facts(uri: str, model: bytes) -> FileFacts:
    try:
        facts = read_facts(model)
    except (EdgedistillError, ValueError, IndexError) as error:
        raise _damaged(uri, f"{MODEL_FILE} cannot be read ({error})") from None
    ends = (*facts.inputs, *facts.outputs)
    if len(ends) != 2 or {end.dtype for end in ends} - set(_INTEGERS):
        told = ", ".join(end.dtype for end in ends)
        raise _damaged(
            uri, f"{MODEL_FILE} must have one int8 or uint8 input and output; got {told}"
        )
    return facts


def _damaged(uri: str, what: str) -> SettingError:
    return SettingError(
        f"baseline_uri must be a whole bundle with {', '.join(_WANTED)}; of {uri}, {what}: give "
        "another bundle, or leave baseline_uri empty."
    )
