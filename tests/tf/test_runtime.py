"""A process that computes and draws alike each time, seen from real processes of their own."""

import json
import os
import platform
import subprocess
import sys
from typing import Any

import pytest

pytestmark = pytest.mark.slow

# Two steps of a network that drops; then the second one again from what was kept of the first.
DRAW_TWICE = """
import json, sys
import numpy as np
from edgedistill.tf.runtime import prepare, tf
threads = prepare(int(sys.argv[1]), int(sys.argv[2]))
from edgedistill.tf.networks import build
from edgedistill.tf.random_states import dropout_states
network = build("efficientnet_b3", 64, 3)
pixels = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3)).astype(np.float32)
step = tf.function(lambda x: network(x, training=True))
first = step(pixels).numpy()
states = dropout_states(network)
kept, weights = [state.numpy() for state in states], network.get_weights()
second = step(pixels).numpy()
for state, value in zip(states, kept):
    state.assign(value)
network.set_weights(weights)
resumed = step(pixels).numpy()
try:
    prepare(0, threads + 1)
    refusal = ""
except ValueError as error:
    refusal = str(error)
threading = tf.config.threading
print(json.dumps({
    "threads": threads,
    "in_force": [
        threading.get_intra_op_parallelism_threads(), threading.get_inter_op_parallelism_threads()
    ],
    "n_states": len(states),
    "n_moved": sum(bool(np.any(a != b.numpy())) for a, b in zip(kept, states)),
    "first": first.tobytes().hex(),
    "second": second.tobytes().hex(),
    "resumed": resumed.tobytes().hex(),
    "refusal": refusal,
    "same_again": prepare(0, threads),
}))
"""

# The operators of a convolution's graph after TensorFlow rewrote it for this processor.
OPERATORS = """
from edgedistill.tf.runtime import tf
from tensorflow.python.eager import context
context.context().enable_graph_collection()
tf.function(tf.nn.conv2d)(tf.ones((1, 8, 8, 4)), tf.ones((3, 3, 4, 4)), 1, "SAME")
graphs = context.context().export_run_metadata().function_graphs
print(*{node.op for f in graphs for part in f.partition_graphs for node in part.node})
"""


def operators(**environment: str) -> list[str]:
    started_with = {k: v for k, v in os.environ.items() if k != "TF_ENABLE_ONEDNN_OPTS"}
    done = subprocess.run(
        [sys.executable, "-c", OPERATORS], env=started_with | environment,
        capture_output=True, text=True, check=True, timeout=300,
    )  # fmt: skip
    return done.stdout.split()


def draw_twice(seed: int, compute_threads: int) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", DRAW_TWICE, str(seed), str(compute_threads)],
        capture_output=True, text=True, check=True, timeout=300,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def drawn() -> dict[str, Any]:
    return draw_twice(5, 3)


def test_the_threads_asked_for_are_in_force(drawn: dict[str, Any]) -> None:
    assert drawn["threads"] == 3
    assert drawn["in_force"] == [3, 3]


def test_once_it_computes_other_threads_are_refused(drawn: dict[str, Any]) -> None:
    assert drawn["refusal"] == (
        "compute_threads must be 3, with which TensorFlow computes already; got 4"
    )
    assert drawn["same_again"] == 3


def test_another_process_draws_and_computes_the_same(drawn: dict[str, Any]) -> None:
    assert draw_twice(5, 3) == drawn


def test_what_is_drawn_next_goes_on_from_what_was_kept(drawn: dict[str, Any]) -> None:
    assert drawn["second"] != drawn["first"]
    assert drawn["resumed"] == drawn["second"]
    # B3's 7 stages have 26 blocks; all but each stage's first drop themselves at times, 19, and
    # the head drops features.
    assert drawn["n_states"] == 20
    assert drawn["n_moved"] == 20


def test_no_choice_of_threads_is_one_for_each_core() -> None:
    code = (
        "from edgedistill.tf.runtime import prepare, tf; threads = prepare(1, 0); "
        "print(threads, tf.config.threading.get_intra_op_parallelism_threads())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300
    )
    from edgedistill.machine import available_cores

    assert done.stdout.split() == [str(available_cores())] * 2


def test_a_network_that_was_built_before_is_refused() -> None:
    from edgedistill.tf.random_states import dropout_states
    from edgedistill.tf.runtime import keras, seed_everything

    seed_everything(1)
    inputs = keras.Input((4,))
    layer = keras.layers.Dropout(0.5, name="early", rng_type="legacy_stateful")
    network = keras.Model(inputs, layer(inputs))
    with pytest.raises(ValueError, match="layer early draws from no variable"):
        dropout_states(network)


def test_a_quantised_network_has_the_states_of_its_wrapped_layers() -> None:
    import tensorflow_model_optimization as tfmot

    from edgedistill.tf.random_states import dropout_states
    from edgedistill.tf.runtime import seed_everything
    from tests.tf.tiny import tiny_network

    seed_everything(1)
    network = tiny_network()
    assert len(dropout_states(network)) == 1
    assert len(dropout_states(tfmot.quantization.keras.quantize_model(network))) == 1


@pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64"), reason="oneDNN is left alone elsewhere"
)
def test_convolutions_are_of_onednn_on_any_x86_processor() -> None:
    assert "_MklNativeConv2D" in operators()


def test_a_user_can_switch_onednn_off() -> None:
    found = operators(TF_ENABLE_ONEDNN_OPTS="0")
    assert "Conv2D" in found
    assert not [name for name in found if "Mkl" in name]
