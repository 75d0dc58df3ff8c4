"""Every range is wide enough for a file that runs."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgedistill.pixels import PackedPixels
from tests.tf.tiny import SIZE_PX, colour_photos, packed, range_rows, tiny_network

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> PackedPixels:
    return packed(tmp_path_factory.mktemp("photos") / "p", colour_photos(32, 0)[0])


def _zero_outputs(network: Any, names: list[str]) -> None:
    """Makes what a ReLU gives after these batch normalisations 0 on every photo."""
    for name in names:
        gamma, beta, *statistics = network.get_layer(name).get_weights()
        network.get_layer(name).set_weights([0 * gamma, 0 * beta - 100, *statistics])


# A file that cannot run may end the process, and this must not be the tests'.
_RUN = """
import sys
import numpy as np
from ai_edge_litert.interpreter import Interpreter

interpreter = Interpreter(sys.argv[1])
interpreter.allocate_tensors()
(entry,), (end,) = interpreter.get_input_details(), interpreter.get_output_details()
interpreter.set_tensor(entry["index"], np.full(entry["shape"], 100, entry["dtype"]))
interpreter.invoke()
print("answered", interpreter.get_tensor(end["index"]).shape)
"""


def _require_runs(quantised: Any, folder: Path) -> None:
    from edgedistill.tf.export import convert_quantised

    path = folder / "model.tflite"
    path.write_bytes(convert_quantised(quantised, input_type="int8", output_type="int8"))
    done = subprocess.run(
        [sys.executable, "-c", _RUN, str(path)], capture_output=True, text=True, check=False
    )
    assert "answered (1, 3)" in done.stdout, done.stderr


def test_a_file_with_a_tensor_that_is_0_everywhere_runs(
    photos: PackedPixels, tmp_path: Path
) -> None:
    from edgedistill.tf.qat import quantise_aware
    from edgedistill.tf.ranges import range_of

    network = tiny_network()
    _zero_outputs(network, ["body_bn"])
    quantised = quantise_aware(network, photos, range_rows(photos), full_input_range=True)
    assert range_of(quantised.get_layer("quant_body_relu")) == (0.0, 1 / 16)
    _require_runs(quantised, tmp_path)


def test_black_photos_give_an_input_range_that_runs(tmp_path: Path) -> None:
    from edgedistill.tf.qat import quantise_aware

    black = packed(tmp_path / "p", np.zeros((4, SIZE_PX, SIZE_PX, 3), np.uint8))
    quantised = quantise_aware(tiny_network(), black, np.arange(4), full_input_range=False)
    _require_runs(quantised, tmp_path)


def test_a_range_is_set_as_wide_as_files_need_and_no_wider(photos: PackedPixels) -> None:
    from edgedistill.tf.qat import quantise_aware
    from edgedistill.tf.ranges import range_of, set_range

    quantised = quantise_aware(tiny_network(), photos, range_rows(photos), full_input_range=True)
    layer = quantised.get_layer("quant_add")
    set_range(layer, -0.05, 0.0125)  # 1/16 in all
    assert range_of(layer) == pytest.approx((-0.05, 0.0125), rel=1e-6)
    set_range(layer, -0.01, 0.01)
    assert range_of(layer) == pytest.approx((-0.01, 0.0525), rel=1e-6)


def test_a_layer_without_a_range_is_refused_by_its_name() -> None:
    from edgedistill.tf.kernel_quantizer import quantise_layers
    from edgedistill.tf.ranges import range_of, set_range

    layer = quantise_layers(tiny_network()).get_layer("quant_body_conv")
    assert range_of(layer) is None
    with pytest.raises(ValueError, match="layer 'quant_body_conv' must have a range to set"):
        set_range(layer, 0.0, 1.0)
