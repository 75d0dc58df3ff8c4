"""What the device that computes makes of settings that say `auto`."""

from edgedistill.tf.runtime import keras, tf

_BFLOAT16_FROM = (8, 0)
"""The compute capability (NVIDIA's) from which bfloat16 is fast."""


def use_precision(mixed_precision: str) -> str:
    """Sets the precision of the networks that are built from now on.

    In mixed precision they compute in bfloat16 and keep their weights in float32. That type has
    float32's range, so that no gradient needs scaling.

    Args:
        mixed_precision: on, off, or auto: where each GPU that there is computes fast in bfloat16.

    Returns:
        Keras' name of the policy.
    """
    gpus = tf.config.list_physical_devices("GPU")
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
    return bool(tf.config.list_physical_devices("GPU"))


def uses_xla(xla: str) -> bool:
    """Whether XLA compiles the training step: on, off, or auto: where there is a GPU."""
    return xla == "on" or (xla == "auto" and has_gpu())


def device_name() -> str:
    """What computes: the GPUs by their names, or "CPU"."""
    gpus = tf.config.list_physical_devices("GPU")
    details = (tf.config.experimental.get_device_details(gpu) for gpu in gpus)
    return ", ".join(str(d.get("device_name", "GPU")) for d in details) or "CPU"


def computed_by(precision: str, xla: str) -> dict[str, str | bool]:
    """By name, what of the device decides a training's bytes: for the identity of its states.

    Args:
        precision: what `use_precision` gave.
        xla: the setting.
    """
    return {"device": device_name(), "precision": precision, "xla_compiled": uses_xla(xla)}
