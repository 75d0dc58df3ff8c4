"""Every setting of the suite: name, default, help, unit and range, declared once.

A setting is a field of one small class; a step's settings are those classes put together. The
field's name is also the flag, the pipeline parameter, the component parameter and the JSON key.
"""

import math
import re
from dataclasses import dataclass

from edgedistill.declaration import (
    DeclaredSetting,
    Settings,
    declared_settings,
    required,
    setting,
)
from edgedistill.errors import SettingError

TEACHER_SIZES_PX = {"efficientnet_b3": 300, "resnet101": 224, "efficientnet_lite2": 260}
"""The architectures that a teacher may have, each with the image size it was published for."""

DOWNLOADED_NETWORKS = ("efficientnet_b3", "resnet101")
"""Those whose ImageNet weights come with no package."""

IMAGENET, RANDOM = "imagenet", "none"
WEIGHTS_WORDS = (IMAGENET, RANDOM)
"""What a setting of weights may say in place of a file; `tf.weights` knows the same two words."""

MODEL_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")
"""What a model's version may be: part of a file's name on every system."""


@dataclass(frozen=True, kw_only=True)
class StepSettings(Settings):
    """What every step has."""

    log_level: str = setting(
        "INFO", "Least severe message that is shown.", choices=("DEBUG", "INFO", "WARNING", "ERROR")
    )


@dataclass(frozen=True, kw_only=True)
class Seeded(StepSettings):
    """What every step that draws at random has."""

    seed: int = setting(
        42, "Start of every random draw: split, shuffling, augmentation.", ge=0, le=2**31 - 1
    )


@dataclass(frozen=True, kw_only=True)
class Trained(Seeded):
    """What the three trainings share."""

    batch_size: int = setting(32, "Photos in a training step.", unit="photos", ge=1, le=4096)
    weight_decay: float = setting(
        0.0, "Decoupled weight decay; above 0 the optimiser is AdamW.", ge=0, lt=1
    )
    use_class_weights: bool = setting(
        True, "Weigh rare classes up in the hard loss, so that each class counts alike."
    )
    augment_flip: bool = setting(
        True, "Mirror photos at random; false where left and right differ, as in text and digits."
    )
    save_tensorboard: bool = setting(True, "Write TensorBoard logs beside the trained network.")


@dataclass(frozen=True, kw_only=True)
class Distilled(Trained):
    """What the two trainings with a teacher share."""

    distill_alpha: float = setting(
        0.5, "Weight of the hard loss; the rest is the distillation loss.", ge=0, le=1
    )
    distill_temperature: float = setting(
        4.0, "Temperature that softens teacher and student.", gt=0, le=100
    )


@dataclass(frozen=True, kw_only=True)
class TeacherChoice(StepSettings):
    """Which network the teacher is: scan packs its image size, teacher builds it."""

    teacher_arch: str = setting(
        "efficientnet_b3", "Network of the teacher.", choices=tuple(TEACHER_SIZES_PX)
    )


@dataclass(frozen=True, kw_only=True)
class InBuckets(StepSettings):
    """What the steps share that read from a bucket or write to one."""

    s3_endpoint: str = setting(
        "", "Address of an S3 server other than AWS's; empty: AWS_ENDPOINT_URL_S3, else AWS."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.s3_endpoint and not self.s3_endpoint.startswith(("http://", "https://")):
            raise SettingError(
                f"s3_endpoint must begin with http:// or https://; got {self.s3_endpoint}."
            )


@dataclass(frozen=True, kw_only=True)
class ScanSettings(TeacherChoice, InBuckets):
    """Settings of the step scan."""

    data_dir: str = required(
        "Photos: a folder with one folder a class, an archive of one, a CSV or JSONL manifest, any "
        "of them in a bucket (gs://, s3://), or 'sample': the digits of scikit-learn."
    )
    teacher_img_size: str = setting(
        "auto", "Side of the teacher's images; auto: what its network was published for.", unit="px"
    )
    student_img_size: int = setting(
        240, "Side of the student's images, and of the phone's.", unit="px", ge=32, le=1024
    )
    max_megapixels: float = setting(
        178.0, "Larger photos are left out; the default is Pillow's own limit.",
        unit="megapixels", gt=0, le=1000,
    )  # fmt: skip
    group_near_duplicates: bool = setting(
        True, "Keep photos of nearly the same picture in one split; false: equal pixels alone."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        text = self.teacher_img_size
        if text != "auto" and not (text.isdecimal() and 32 <= int(text) <= 1024):
            raise SettingError(
                "teacher_img_size must be auto or a whole number at least 32 and at most 1024; "
                f"got {text}."
            )

    @property
    def teacher_px(self) -> int:
        """Side of the teacher's images, in pixels, with `auto` resolved."""
        if self.teacher_img_size == "auto":
            return TEACHER_SIZES_PX[self.teacher_arch]
        return int(self.teacher_img_size)


@dataclass(frozen=True, kw_only=True)
class SplitSettings(Seeded):
    """Settings of the step split."""

    train_frac: float = setting(0.8, "Share of photos to train on.", gt=0, lt=1)
    val_frac: float = setting(
        0.1, "Share of photos to choose epochs and the threshold on.", gt=0, lt=1
    )
    test_frac: float = setting(0.1, "Share of photos to report on, seen once.", gt=0, lt=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        total = self.train_frac + self.val_frac + self.test_frac
        if not math.isclose(total, 1.0, abs_tol=1e-6) or self.val_frac + self.test_frac >= 1:
            raise SettingError(
                "train_frac, val_frac and test_frac must add up to 1; "
                f"got {self.train_frac:g} + {self.val_frac:g} + {self.test_frac:g} = {total:g}."
            )


@dataclass(frozen=True, kw_only=True)
class TeacherSettings(TeacherChoice, Trained):
    """Settings of the step teacher."""

    teacher_weights: str = setting(
        "imagenet", "Start of the teacher: imagenet, none (random), or a file of weights."
    )
    epochs_teacher: int = setting(
        10,
        "Most passes of the whole teacher; 0 trains its head alone.",
        unit="epochs",
        ge=0,
        le=10_000,
    )
    lr_teacher: float = setting(
        1e-3,
        "Highest learning rate of the teacher; its pretrained layers learn at a tenth of it.",
        gt=0,
        le=1,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.epochs_teacher == 0 and self.teacher_weights == RANDOM:
            raise SettingError(
                "epochs_teacher must be at least 1 where teacher_weights is none: "
                "a random network has nothing to train a head on; got 0."
            )


@dataclass(frozen=True, kw_only=True)
class DistillerSettings(Distilled):
    """Settings of the step distiller."""

    student_weights: str = setting(
        "imagenet", "Start of the student: imagenet, none (random), or a file of weights."
    )
    epochs_student: int = setting(
        20, "Most passes of the student's distillation.", unit="epochs", ge=1, le=10_000
    )
    lr_student: float = setting(
        1e-3,
        "Highest learning rate of the student; its pretrained layers learn at a tenth of it.",
        gt=0,
        le=1,
    )


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


@dataclass(frozen=True, kw_only=True)
class EvaluateSettings(StepSettings):
    """evaluate has nothing to set but what all steps share."""


@dataclass(frozen=True, kw_only=True)
class CalibrateSettings(InBuckets):
    """Settings of the step calibrate."""

    threshold_target_accept_accuracy: float = setting(
        0.95, "Accuracy wanted among the photos that are not answered 'unknown'.", gt=0, le=1
    )
    threshold_min_coverage: float = setting(
        0.60, "Least share of photos that must be answered.", ge=0, le=1
    )
    threshold_penalty_incorrect: float = setting(
        3.0, "Cost of a wrong answer, in right answers, where no threshold meets both wishes.", ge=0
    )
    model_version: str = setting(
        "1", "Version of the model, for the bundle's name and the file's metadata."
    )
    export_uri: str = setting(
        "",
        "Where the bundle is put besides: a bucket (gs://, s3://) or a folder, on a cluster the "
        "absolute path of a mounted volume; empty: nowhere.",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not MODEL_VERSION.fullmatch(self.model_version):
            raise SettingError(
                "model_version must be 1 to 40 letters, digits, dots, dashes or underscores, the "
                f"first a letter or digit; got {self.model_version!r}."
            )


STEP_SETTINGS: dict[str, type[StepSettings]] = {
    "scan": ScanSettings,
    "split": SplitSettings,
    "teacher": TeacherSettings,
    "distiller": DistillerSettings,
    "qat_export": QatExportSettings,
    "evaluate": EvaluateSettings,
    "calibrate": CalibrateSettings,
}
"""The steps in the order in which they run, each with its settings."""


def all_settings() -> dict[str, DeclaredSetting]:
    """Every setting of the pipeline by name, in the order of the steps that first use it."""
    return {d.name: d for step in STEP_SETTINGS.values() for d in declared_settings(step)}
