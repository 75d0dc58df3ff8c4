"""What `auto` means without a GPU: in a process of its own, as a policy is for all networks."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

PROGRAM = """
import numpy as np
from edgedistill.tf.devices import device_name, use_precision, uses_xla
from edgedistill.tf.networks import build
policies = [use_precision(word) for word in ("auto", "off", "on")]
network = build("efficientnet_lite1", 32, 3)
outputs = network(np.zeros((1, 32, 32, 3), np.float32))
convolution = network.get_layer("stem_conv")
print(device_name(), *map(uses_xla, ("auto", "off", "on")))
print(*policies, convolution.compute_dtype, convolution.kernel.dtype.name, outputs.dtype.name)
"""


def test_without_a_gpu_auto_is_off_and_on_keeps_weights_and_logits_in_float32() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=300
    )
    first, second = done.stdout.splitlines()
    assert first.split() == ["CPU", "False", "False", "True"]
    words = second.split()
    assert words[:3] == ["float32", "float32", "mixed_bfloat16"]
    assert words[3:] == ["bfloat16", "float32", "float32"]
