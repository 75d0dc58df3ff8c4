"""Settings of qat_export: its training, its file and what the file may cost."""

from dataclasses import dataclass

from edgedistill.declaration import setting
from edgedistill.training_settings import Distilled


@dataclass(frozen=True, kw_only=True)
class QatExportSettings(Distilled):
    """Settings of the step qat_export."""

    qat: bool = setting(
        True, "Quantisation-aware training; false: post-training quantisation instead."
    )
    epochs_qat: int = setting(
        10, "Most passes of the quantisation-aware fine-tuning.", unit="epochs", ge=1, le=10_000
    )
    lr_qat: float = setting(1e-4, "Highest learning rate of the fine-tuning.", gt=0, le=1)
    tflite_inference_input_type: str = setting(
        "int8", "Type of the file's input tensor.", choices=("int8", "uint8")
    )
    tflite_inference_output_type: str = setting(
        "int8", "Type of the file's output tensor.", choices=("int8",)
    )
    rep_data_num_batches: int = setting(
        4,
        "Batches of training photos that set the ranges of quantisation.",
        unit="batches",
        ge=1,
        le=100_000,
    )
    force_input_range_0_255: bool = setting(
        True, "Quantise the input with scale 1 and zero point -128 (0 for uint8), and prove it."
    )
    quant_max_drop: float = setting(
        0.01,
        "Most that the int8 file may lose against the float student, as a share of the validation "
        "photos, rounded up to whole photos.",
        ge=0,
        le=1,
    )
    budget_latency_ms: float = setting(
        0.0, "Longest time of an image on a Pixel 4 class phone, as estimated; 0: no limit.",
        unit="ms", ge=0, le=1e6,
    )  # fmt: skip
    budget_size_mb: float = setting(
        0.0, "Largest size of a model file, in millions of bytes; 0: no limit.",
        unit="MB", ge=0, le=1e6,
    )  # fmt: skip
