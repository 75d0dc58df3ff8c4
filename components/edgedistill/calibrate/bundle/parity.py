"""The folder parity/: what an app must make of some images, file by file.

Whoever writes the app's part compares its own pixels and logits with these (parity_check.py).
"""

import hashlib
import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgedistill.core.decode import decode_photo
from edgedistill.core.letterbox import letterbox
from edgedistill.core.parity_images import ParityImage, parity_images
from edgedistill.core.png_encoder import encode_png
from edgedistill.errors import ExportError
from edgedistill.json_file import JsonFile, missing_file
from edgedistill.tf.flatbuffer import Tensor, read_facts
from edgedistill.tf.interpreter import raw_outputs

PARITY_FOLDER = "parity"
KERNEL_GAP_IMAGES = ("exif_1", "grey", "cmyk", "palette", "tiny")
"""On these LiteRT's reference kernels are run too: a tenth of a second an image of 160 px."""

PARITY = JsonFile(
    "parity.json",
    1,
    frozenset(
        {
            "model_file",
            "model_sha256",
            "size_px",
            "input",
            "output",
            "logits_tolerance_steps",
            "kernel_gap",
            "images",
        }
    ),
)
"""`kernel_gap`: `steps` (integers of the output), how far the logits of LiteRT's reference kernels
were from those of its default ones, at most, on `images`. `images`: a row an image: `name`,
`checks`, `orientation` (EXIF), `height` and `width` (upright, in pixels), `top_class` (label index
of the largest logit, the first of equal ones) and `files`: {kind: {"file", "size_bytes",
"sha256"}}."""


def write_parity(folder: Path, model_path: Path) -> None:
    """Writes `parity/`: for each of our images, what each stage between file and logits gives.

    Of each image: the source file; `<name>.upright.png`, decoded as scan decodes;
    `<name>.letterbox.png`; `<name>.input.npy` and `.raw`, the input tensor as the model takes it,
    shape (size, size, 3); `<name>.logits.npy` and `.raw`, the model's own integers, shape
    (n_classes,). And parity.json, which says which is which.

    The logits are those of LiteRT's default kernels, which apps run. Kernels of other runtimes and
    of NPUs round otherwise, the more the deeper a network is: `logits_tolerance_steps` is 2 and
    twice what the reference kernels were seen to differ by for this very file.

    The files depend on the versions of LiteRT, Pillow, libjpeg and zlib and on the processor, for
    which LiteRT chooses its kernels: elsewhere logits, PNG and JPEG may have other bytes.

    Args:
        folder: the bundle's; `parity` must not be in it.
        model_path: the full-integer file.

    Raises:
        ArtifactError: the file is missing.
        ExportError: it is no full-integer classifier.
    """
    try:
        model = model_path.read_bytes()
    except FileNotFoundError:
        raise missing_file(model_path) from None
    entry, exit_ = _ends(model)
    out = folder / PARITY_FOLDER
    out.mkdir()
    images = parity_images()
    pictures = [decode_photo(image.data) for image in images]
    squares = [letterbox(picture, entry.shape[1]) for picture in pictures]
    tensors = raw_outputs(model_path, squares)
    gap = _kernel_gap(model_path, images, squares, tensors)
    rows = [_write_image(out, *row) for row in zip(images, pictures, squares, tensors, strict=True)]
    document = {
        "model_file": model_path.name,
        "model_sha256": hashlib.sha256(model).hexdigest(),
        "size_px": entry.shape[1],
        "input": _end(entry),
        "output": _end(exit_),
        "logits_tolerance_steps": 2 + 2 * gap,
        "kernel_gap": {"steps": gap, "images": list(KERNEL_GAP_IMAGES)},
        "images": rows,
    }
    PARITY.write(out, document)


def _kernel_gap(
    model_path: Path,
    images: list[ParityImage],
    squares: list[NDArray[np.uint8]],
    tensors: list[tuple[NDArray[Any], NDArray[Any]]],
) -> int:
    """The largest difference between the logits of two sets of kernels, in integers."""
    chosen = [i for i, image in enumerate(images) if image.name in KERNEL_GAP_IMAGES]
    others = raw_outputs(model_path, [squares[i] for i in chosen], reference_kernels=True)
    differences = [
        np.abs(tensors[i][1].astype(int) - logits.astype(int)).max()
        for i, (_entry, logits) in zip(chosen, others, strict=True)
    ]
    return int(max(differences))


def _ends(model: bytes) -> tuple[Tensor, Tensor]:
    facts = read_facts(model)
    if len(facts.inputs) != 1 or len(facts.outputs) != 1 or facts.float_users:
        raise ExportError("the model must have one input and one output and no float operator.")
    for end in (facts.inputs[0], facts.outputs[0]):
        if end.dtype not in ("int8", "uint8") or end.scale is None:
            raise ExportError(f"'{end.name}' must be int8 or uint8 with one scale; got {end}.")
    return facts.inputs[0], facts.outputs[0]


def _end(tensor: Tensor) -> dict[str, Any]:
    """Type, shape without the batch, and quantisation of a tensor."""
    return {
        "dtype": tensor.dtype,
        "shape": list(tensor.shape[1:]),
        "quantization": {"scale": tensor.scale, "zero_point": tensor.zero_point},
    }


def _write_image(
    out: Path,
    image: ParityImage,
    picture: NDArray[np.uint8],
    square: NDArray[np.uint8],
    tensors: tuple[NDArray[Any], NDArray[Any]],
) -> dict[str, Any]:
    entry, logits = tensors
    contents = {
        "source": (image.file_name, image.data),
        "upright": (f"{image.name}.upright.png", encode_png(picture)),
        "letterbox": (f"{image.name}.letterbox.png", encode_png(square)),
        "input_npy": (f"{image.name}.input.npy", _npy(entry)),
        "input_raw": (f"{image.name}.input.raw", entry.tobytes()),
        "logits_npy": (f"{image.name}.logits.npy", _npy(logits)),
        "logits_raw": (f"{image.name}.logits.raw", logits.tobytes()),
    }
    for name, data in contents.values():
        (out / name).write_bytes(data)
    return {
        "name": image.name,
        "checks": image.checks,
        "orientation": image.orientation,
        "height": picture.shape[0],
        "width": picture.shape[1],
        "top_class": int(logits.argmax()),
        "files": {kind: _file(name, data) for kind, (name, data) in contents.items()},
    }


def _file(name: str, data: bytes) -> dict[str, Any]:
    return {
        "file": name,
        "size_bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
    }


def _npy(tensor: NDArray[Any]) -> bytes:
    file = io.BytesIO()
    np.save(file, tensor)
    return file.getvalue()
