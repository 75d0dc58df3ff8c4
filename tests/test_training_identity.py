"""What decides whether a training may go on from a saved state."""

import dataclasses

import pytest

from edgedistill.settings import DistillerSettings, QatExportSettings, TeacherSettings
from edgedistill.training_identity import training_identity

STEPS = {
    "teacher": TeacherSettings,
    "distiller": DistillerSettings,
    "qat_export": QatExportSettings,
}
# Written by hand: with another value of these the training ends with the same weights, or its
# start, its device and its precision are told by what the step adds.
NO_MATTER = {
    "log_level", "save_tensorboard", "checkpoint_uri", "checkpoint_steps", "data_workers",
    "s3_endpoint", "quant_max_drop", "budget_latency_ms", "budget_size_mb", "mixed_precision",
    "gpu_count", "measure_kd_gain", "xla", "teacher_arch", "teacher_weights", "student_weights",
    "qat", "tflite_inference_input_type", "tflite_inference_output_type",
}  # fmt: skip
OTHERS = {
    "augment": "phone", "trained_layers": "all", "lr_schedule": "constant",
    "log_level": "DEBUG", "mixed_precision": "on",
    "xla": "on", "gpu_count": "2", "checkpoint_uri": "/states", "s3_endpoint": "http://s3",
    "teacher_arch": "resnet101", "teacher_weights": "none", "student_weights": "none",
    "tflite_inference_input_type": "uint8",
}  # fmt: skip


def other_value(name, value):
    if name in OTHERS:
        return OTHERS[name]
    if isinstance(value, bool):
        return not value
    return value / 2 if isinstance(value, float) and value else value + 1


@pytest.mark.parametrize("step", STEPS)
def test_another_value_of_a_setting_is_another_training_unless_it_cannot_matter(step):
    settings = STEPS[step]()
    same = training_identity(step, settings, data_digest="d")
    for field in dataclasses.fields(settings):
        if field.name in ("tflite_inference_output_type",):
            continue  # it has one value
        value = other_value(field.name, getattr(settings, field.name))
        if field.name in ("label_smoothing", "ema_decay", "weight_decay", "mixup"):
            value = 0.5
        changed = dataclasses.replace(settings, **{field.name: value})
        identity = training_identity(step, changed, data_digest="d")
        assert (identity == same) == (field.name in NO_MATTER), field.name


def test_what_the_step_adds_counts_and_so_do_code_and_packages():
    settings = DistillerSettings()
    identity = training_identity("distiller", settings, data_digest="d", device="CPU")
    assert identity != training_identity("distiller", settings, data_digest="e", device="CPU")
    assert {"data_digest", "device", "tensorflow", "numpy", "python", "code"} <= set(identity)


def test_cores_that_stand_for_threads_are_told_by_their_number():
    by_cores = training_identity("distiller", DistillerSettings())
    count = by_cores["compute_threads"]
    assert isinstance(count, int)
    assert count > 0
    named = DistillerSettings(compute_threads=count)
    assert training_identity("distiller", named) == by_cores
