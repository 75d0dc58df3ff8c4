"""Which devices compute, and what they make of settings that say `auto`."""

import logging
from typing import Any

from edgedistill.errors import SettingError
from edgedistill.machine import gpu_names
from edgedistill.tf.replicas import mirror_over, n_replicas
from edgedistill.tf.runtime import keras, prepare, tf

_BFLOAT16_FROM = (8, 0)
"""The compute capability (NVIDIA's) from which bfloat16 is fast."""

_log = logging.getLogger(__name__)


def start_computing(seed: int, compute_threads: int, gpu_count: str) -> int:
    """`runtime.prepare` on the GPUs that a step is to train on, several of them as one.

    Args:
        seed: as `prepare` takes it.
        compute_threads: as `prepare` takes it.
        gpu_count: auto: every GPU that TensorFlow sees, else the CPU; or how many, of which the
            first are taken and the others left alone. 0: the CPU.

    Returns:
        The number of threads in force.

    Raises:
        SettingError: TensorFlow sees fewer GPUs.
        ValueError: TensorFlow computes already, with other devices or threads.
    """
    gpus = tf.config.list_physical_devices("GPU")
    if gpu_count != "auto":
        _require_gpus(int(gpu_count), len(gpus))
        gpus = gpus[: int(gpu_count)]
    try:
        tf.config.set_visible_devices(gpus, "GPU")
    except RuntimeError:
        raise ValueError(
            f"gpu_count must be {len(_gpus())} or auto in a process that computes already; got "
            f"{gpu_count}"
        ) from None
    threads = prepare(seed, compute_threads)
    if len(gpus) > 1:
        mirror_over([f"GPU:{number}" for number in range(len(gpus))])
    _log.info("TensorFlow computes on %s", device_name())
    return threads


def _require_gpus(n_wanted: int, n_seen: int) -> None:
    if n_wanted <= n_seen:
        return
    n_installed = len(gpu_names())
    todo = (
        "this machine or container has none: have it given to it (on a cluster gpu_type and "
        "gpu_count of the run, in Docker --gpus)"
    )
    if n_installed >= n_wanted:
        todo = (
            f"NVIDIA's driver has {n_installed}, so TensorFlow lacks its CUDA libraries or may not "
            "use them: install tensorflow[and-cuda], or take the image for GPUs, and look at "
            "CUDA_VISIBLE_DEVICES"
        )
    raise SettingError(
        f"gpu_count must be at most the number of GPUs that TensorFlow sees here, which is "
        f"{n_seen}; got {n_wanted}: {todo}; or set gpu_count to auto, which takes what there is, "
        "or to 0, the CPU."
    )


def _gpus() -> list[Any]:
    """Those that this process may use."""
    return list(tf.config.get_visible_devices("GPU"))


def use_precision(mixed_precision: str) -> str:
    """Sets the precision of the networks that are built from now on.

    In mixed precision they compute in bfloat16 and keep their weights in float32. That type has
    float32's range, so that no gradient needs scaling.

    Args:
        mixed_precision: on, off, or auto: where each GPU that there is computes fast in bfloat16.

    Returns:
        Keras' name of the policy.
    """
    gpus = _gpus()
    able = bool(gpus) and all(
        tf.config.experimental.get_device_details(gpu).get("compute_capability", (0, 0))
        >= _BFLOAT16_FROM
        for gpu in gpus
    )
    mixed = mixed_precision == "on" or (mixed_precision == "auto" and able)
    policy = "mixed_bfloat16" if mixed else "float32"
    keras.mixed_precision.set_global_policy(policy)
    return policy


def has_gpu() -> bool:
    """Whether TensorFlow computes on a GPU."""
    return bool(_gpus())


def uses_xla(xla: str) -> bool:
    """Whether XLA compiles the training step: on, off, or auto: where there is a GPU."""
    return xla == "on" or (xla == "auto" and has_gpu())


def device_name() -> str:
    """What computes: the GPUs by their names, or "CPU"."""
    details = (tf.config.experimental.get_device_details(gpu) for gpu in _gpus())
    return ", ".join(str(d.get("device_name", "GPU")) for d in details) or "CPU"


def computed_by(precision: str, xla: str) -> dict[str, str | bool | int]:
    """By name, what of the device decides a training's bytes: for the identity of its states.

    Args:
        precision: what `use_precision` gave.
        xla: the setting.
    """
    return {
        "device": device_name(),
        "replicas": n_replicas(),  # a sum's last bits, and dropout's masks
        "precision": precision,
        "xla_compiled": uses_xla(xla),
    }
