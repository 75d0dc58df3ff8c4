"""What two trainings must agree in so that one may go on from the other's saved state."""

import platform

from edgedistill.checkpoints import Checkpoints, checkpoints_for
from edgedistill.declaration import Value, declared_settings
from edgedistill.reuse import WITHOUT_EFFECT, code_digest, compute_threads, package_versions
from edgedistill.training_settings import Trained

_NO_MATTER = WITHOUT_EFFECT | frozenset(
    {
        "save_tensorboard",
        "s3_endpoint",
        "quant_max_drop",
        "budget_latency_ms",
        "budget_size_mb",
        "measure_kd_gain",  # the second student comes after the first, and is a training by itself
        # What the device makes of them counts, not what they say.
        "gpu_count",
        "mixed_precision",
        "xla",
        # The weights that a training starts from count, not where they were; and several teachers
        # are trained one by one, each of which says which it is.
        "teacher_arch",
        "teacher_weights",
        "student_weights",
        # Of the file, not of the network that it is written from.
        "qat",
        "tflite_inference_input_type",
        "tflite_inference_output_type",
    }
)
"""Settings that leave each weight as it is."""


def training_identity(step: str, settings: Trained, **what: Value) -> dict[str, Value]:
    """By name: the settings that matter, `what` besides, and code and packages.

    Args:
        step: the step that trains, whose code counts.
        settings: its settings.
        what: what else decides the result, such as the digest of the data and the device.
    """
    values = {d.name: getattr(settings, d.name) for d in declared_settings(type(settings))}
    return {
        **{name: value for name, value in values.items() if name not in _NO_MATTER},
        "compute_threads": compute_threads(values),
        **what,
        "python": platform.python_version(),
        **package_versions(),
        "code": code_digest(f"edgedistill.{step}.step")[:12],
    }


def training_checkpoints(
    step: str, training: str, settings: Trained, **what: Value
) -> Checkpoints | None:
    """Where a training saves its state, if anywhere.

    Args:
        step: the step that trains.
        training: what to call it, such as "student".
        settings: the step's settings.
        what: what else decides the result.

    Raises:
        StorageError: `checkpoint_uri` is no place to save to.
    """
    identity = training_identity(step, settings, **what)
    return checkpoints_for(settings.checkpoint_uri, training, identity)
