"""In which precision a float network computes."""

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
