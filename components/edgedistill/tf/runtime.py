"""TensorFlow, its Keras 2 and a repeatable, quiet start: what every module of `tf` imports.

tfmot quantises Keras 2 networks only, hence `tf_keras`, never Keras 3.
"""

import logging
import os
import platform

from edgedistill.machine import available_cores
from edgedistill.tf.heap import keep_freed_memory
from edgedistill.tf.quiet import quiet_native_code

os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
if platform.machine() in ("x86_64", "AMD64"):
    # Left alone, TensorFlow takes oneDNN's kernels only where a processor has instructions made
    # for networks, such as AVX-512 VNNI; with AVX2 alone they save a fifth of a training, too.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
keep_freed_memory()

with quiet_native_code():
    import tensorflow as tf
    import tf_keras as keras

    tf.config.list_physical_devices()  # looks for GPUs, of which it logs; starts nothing else

# Its warnings speak to TensorFlow's own developers, such as of deprecated ways through the
# converter; what matters to a user is raised.
for _name in ("absl", "tensorflow"):
    logging.getLogger(_name).setLevel(logging.ERROR)

__all__ = ["keras", "prepare", "seed_everything", "tf"]


def _set_threads(compute_threads: int) -> None:
    """Of one operator, and of operators side by side; only before the first tensor is made."""
    tf.config.threading.set_intra_op_parallelism_threads(compute_threads)
    tf.config.threading.set_inter_op_parallelism_threads(compute_threads)


# Left alone, TensorFlow would start a thread for each core of the machine, also of those that a
# container may not use, and would not say how many.
_set_threads(available_cores())


def prepare(seed: int, compute_threads: int) -> int:
    """Makes the process draw and compute alike each time it is started with these two numbers.

    The same versions and kind of processor are taken for granted; on a GPU it reaches as far as
    TensorFlow's deterministic operators. To be called before anything is computed: the threads are
    started once a process. Dropout draws from variables afterwards (`random_states`).

    Args:
        seed: in [0, 2**31).
        compute_threads: how many threads TensorFlow computes with; sums are parted among them, so
            that the last bits of a result depend on it. 0: one for each core.

    Returns:
        The number of threads in force.

    Raises:
        ValueError: TensorFlow computes already, with another number of threads.
    """
    wanted = compute_threads or available_cores()
    try:
        _set_threads(wanted)
    except RuntimeError:
        in_force = tf.config.threading.get_intra_op_parallelism_threads()
        raise ValueError(
            f"compute_threads must be {in_force}, with which TensorFlow computes already; "
            f"got {wanted}"
        ) from None
    seed_everything(seed)
    return wanted


def seed_everything(seed: int) -> None:
    """Starts every draw anew, with the threads that are in force: `prepare` without a choice."""
    # Otherwise dropout draws from a state inside an operator, which no checkpoint could hold.
    keras.backend.experimental.enable_tf_random_generator()
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
