"""Runs a TFLite file with LiteRT on all cores; loads no TensorFlow."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from numpy.typing import NDArray

from edgedistill.machine import available_cores
from edgedistill.tf.quiet import quiet_native_code


class Images(Protocol):
    """Images of one size, told by their numbers, to several threads at once: packed or made."""

    def __len__(self) -> int: ...

    @property
    def size_px(self) -> int:
        """Side of the images."""
        ...

    def row(self, index: int) -> NDArray[np.uint8]:
        """One image, shape (size, size, 3)."""
        ...


def predict_outputs(
    model: Path | bytes, pixels: Images, *, n_threads: int | None = None
) -> NDArray[np.float32]:
    """The file's outputs for all photos, in their order: its logits, or scores if it has a softmax.

    Pixels are quantised and outputs dequantised with the scale and zero point of the file's own
    tensors. Each thread has an interpreter of its own, which is faster than threads inside one,
    and takes the next image when it is done: none waits for a slower core.

    Args:
        model: a full-integer TFLite file of static batch 1, or its content.
        pixels: photos of the file's image size.
        n_threads: None: one a core that this process may use.

    Returns:
        Shape (n, n_classes).

    Raises:
        ValueError: the photos' size is not the file's.
    """
    threads = max(1, min(n_threads or available_cores(), len(pixels)))
    with quiet_native_code():
        runners = [_Runner(model) for _ in range(threads)]
    outputs = np.empty((len(pixels), runners[0].n_classes), np.float32)
    if runners[0].img_size_px != pixels.size_px:
        raise ValueError(
            f"the model takes images of {runners[0].img_size_px} px; got {pixels.size_px} px"
        )

    left = iter(range(len(pixels)))  # shared: the interpreter's lock makes each step whole

    def work(runner: _Runner) -> None:
        for row in left:
            outputs[row] = runner.run(pixels.row(row))

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, runners))
    return outputs


def raw_outputs(
    model_path: Path,
    images: Sequence[NDArray[np.uint8]],
    *,
    reference_kernels: bool = False,
) -> list[tuple[NDArray[Any], NDArray[Any]]]:
    """The integers that go into the file and come out of it, for each image.

    Args:
        model_path: a full-integer TFLite file of static batch 1.
        images: shape (size, size, 3) each, letterboxed pixels of the file's image size.
        reference_kernels: run LiteRT's plain kernels, which round otherwise and are slow, in place
            of those that apps get.

    Returns:
        A pair an image, in the file's own types: the input tensor, shape (size, size, 3), and
        the output tensor, shape (n_classes,).

    Raises:
        ValueError: an image's size is not the file's.
    """
    with quiet_native_code():
        runner = _Runner(model_path, reference_kernels=reference_kernels)
    wanted = (runner.img_size_px, runner.img_size_px, 3)
    for image in images:
        if image.shape != wanted:
            raise ValueError(f"{model_path} takes images of shape {wanted}; got {image.shape}")
    return [runner.run_raw(image) for image in images]


class _Runner:
    """One interpreter with its ends' quantisation."""

    def __init__(self, model: Path | bytes, *, reference_kernels: bool = False):
        content = model if isinstance(model, bytes) else model.read_bytes()
        kernels = OpResolverType.BUILTIN_REF if reference_kernels else OpResolverType.AUTO
        self._interpreter: Any = Interpreter(
            model_content=content, num_threads=1, experimental_op_resolver_type=kernels
        )
        self._interpreter.allocate_tensors()
        (self._entry,) = self._interpreter.get_input_details()
        (self._exit,) = self._interpreter.get_output_details()
        self.img_size_px = int(self._entry["shape"][1])
        self.n_classes = int(self._exit["shape"][-1])
        self._quantised = quantiser(self._entry)

    def run(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The dequantised output, shape (n_classes,), of one image, shape (size, size, 3)."""
        _entry, raw = self.run_raw(image)
        scale, zero_point = self._exit["quantization"]
        output: NDArray[np.float32] = (raw.astype(np.float32) - zero_point) * np.float32(scale)
        return output

    def run_raw(self, image: NDArray[np.uint8]) -> tuple[NDArray[Any], NDArray[Any]]:
        """The input and the output tensor of one image as the file has them, without batch."""
        entry = self._quantised(image)
        self._interpreter.set_tensor(self._entry["index"], entry[None])
        self._interpreter.invoke()
        return entry, self._interpreter.get_tensor(self._exit["index"])[0]


def quantiser(entry: Any) -> Callable[[NDArray[np.uint8]], NDArray[Any]]:
    """From pixels to what the input tensor holds of them, in its type.

    Args:
        entry: the interpreter's details of the input.
    """
    table = quantisation_table(entry)
    shift = int(table[0])
    if (table.astype(np.int64) == np.arange(256) + shift).all():
        # Scale 1, as every file of the suite has it unless asked otherwise: one addition modulo
        # 256, which takes a hundredth of the look-up's time.
        return lambda image: (image + np.uint8(shift % 256)).view(table.dtype)
    return lambda image: np.take(table, image)


def quantisation_table(entry: Any) -> NDArray[Any]:
    """What each of the 256 pixel values is in the input tensor: round(x / scale) + zero point.

    Args:
        entry: the interpreter's details of the input.

    Returns:
        Shape (256,), of the tensor's type.
    """
    scale, zero_point = entry["quantization"]
    limits = np.iinfo(entry["dtype"])
    exact = np.arange(256) / scale + zero_point
    table: NDArray[Any] = np.clip(np.round(exact), limits.min, limits.max)
    return table.astype(entry["dtype"])
