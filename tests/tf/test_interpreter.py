"""Answers of a file that was made by hand, whose arithmetic is told in tests/tflite_files.py."""

import threading
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgedistill.tf.interpreter import predict_outputs, quantisation_table, quantiser
from tests.tflite_files import LOGIT_SCALE, tiny_int8_model

SIDE_PX = 8


@dataclass(frozen=True)
class Greys:
    """Plain images, made when they are asked for; keeps who asked for them."""

    levels: list[int]
    size_px: int = SIDE_PX
    asked_by: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.levels)

    def row(self, index: int) -> NDArray[np.uint8]:
        self.asked_by.append(threading.get_ident())
        return np.full((self.size_px, self.size_px, 3), self.levels[index], np.uint8)


def logits_of(level: int) -> list[float]:
    """Of three classes: (round(level / 4) + c) / 8, since 32 / 128 is a quarter."""
    return [(level / 4 + c) * LOGIT_SCALE for c in range(3)]


@pytest.mark.parametrize("n_threads", [1, 2, 5])
@pytest.mark.parametrize("input_type", ["int8", "uint8"])
def test_images_that_are_made_on_demand_are_answered_in_their_order(
    n_threads: int, input_type: str
) -> None:
    images = Greys([4 * k for k in range(40)])
    model = tiny_int8_model(SIDE_PX, 3, input_type)
    logits = predict_outputs(model, images, n_threads=n_threads)
    np.testing.assert_allclose(logits, [logits_of(level) for level in images.levels])
    assert len(images.asked_by) == 40
    assert threading.get_ident() not in images.asked_by


def test_no_image_gives_no_answer() -> None:
    assert predict_outputs(tiny_int8_model(SIDE_PX, 3), Greys([])).shape == (0, 3)


def test_images_of_another_size_are_refused() -> None:
    with pytest.raises(ValueError, match="the model takes images of 8 px; got 9 px"):
        predict_outputs(tiny_int8_model(SIDE_PX, 3), Greys([1], size_px=9))


@pytest.mark.parametrize(
    ("scale", "zero_point", "dtype"),
    [
        (1.0, -128, np.int8),
        (1.0, 0, np.uint8),
        (1.0, -127, np.int8),  # 255 would be 128 and is held at 127
        (0.5, -128, np.int8),
        (2.0, -128, np.int8),
        (1.02, 3, np.uint8),
    ],
)
def test_the_shorter_way_of_quantising_gives_what_the_table_gives(
    scale: float, zero_point: int, dtype: Any
) -> None:
    entry = {"quantization": (scale, zero_point), "dtype": dtype}
    image = np.arange(256, dtype=np.uint8).reshape(16, 16)
    limits = np.iinfo(dtype)
    wanted = np.clip(np.round(image / scale) + zero_point, limits.min, limits.max).astype(dtype)
    for got in (quantiser(entry)(image), quantisation_table(entry)[image]):
        assert got.dtype == dtype
        np.testing.assert_array_equal(got, wanted)
