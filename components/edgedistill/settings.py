"""Every setting of the suite: name, default, help, unit and range, declared once.

A setting is a field of one small class; a step's settings are those classes put together. The
field's name is also the flag, the pipeline parameter, the component parameter and the JSON key.
"""

import math
import re
from dataclasses import dataclass

from edgedistill.declaration import DeclaredSetting, declared_settings, required, setting
from edgedistill.errors import SettingError
from edgedistill.export_settings import QatExportSettings
from edgedistill.shared_settings import (
    DOWNLOADED_NETWORKS,
    IMAGENET,
    RANDOM,
    TEACHER_SIZES_PX,
    WEIGHTS_WORDS,
    InBuckets,
    Seeded,
    StepSettings,
    TeacherChoice,
)
from edgedistill.training_settings import DistillerSettings, TeacherSettings, Trained

__all__ = [
    "COMPONENT_SETTINGS",
    "DOWNLOADED_NETWORKS",
    "IMAGENET",
    "MODEL_VERSION",
    "MOST_SHARDS",
    "RANDOM",
    "STEP_SETTINGS",
    "TEACHER_SIZES_PX",
    "WEIGHTS_WORDS",
    "CalibrateSettings",
    "DistillerSettings",
    "EvaluateSettings",
    "MergeShardsSettings",
    "PhotoPacking",
    "QatExportSettings",
    "ScanSettings",
    "ScanShardSettings",
    "SplitSettings",
    "StepSettings",
    "TeacherSettings",
    "Trained",
    "all_settings",
]

MOST_SHARDS = 256
"""Into as many may scan divide a collection: each is a pod."""

MODEL_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")
"""What a model's version may be: part of a file's name on every system."""


@dataclass(frozen=True, kw_only=True)
class PhotoPacking(TeacherChoice, InBuckets):
    """Which photos are packed, and how."""

    data_dir: str = required(
        "Photos: a folder with one folder a class, an archive of one, a CSV or JSONL manifest, any "
        "of them in a bucket (gs://, s3://), or 'sample': the digits of scikit-learn."
    )
    unknown_uri: str = setting(
        "",
        "Photos that belong to no class, a place as data_dir may be, beside those in a folder "
        "_unknown of data_dir; the file is asked what it makes of them. Empty: none besides.",
    )
    teacher_img_size: str = setting(
        "auto",
        "Side of the teachers' images; auto: for each what its network was published for.",
        unit="px",
    )
    student_img_size: int = setting(
        240, "Side of the student's images, and of the phone's.", unit="px", ge=32, le=1024
    )
    max_megapixels: float = setting(
        178.0, "Larger photos are left out; the default is Pillow's own limit.",
        unit="megapixels", gt=0, le=1000,
    )  # fmt: skip
    data_version: str = setting(
        "1",
        "Which state of the photos this is, in words of your own. KFP's cache cannot see that "
        "photos changed at the same place: another text makes scan, and all after it, run anew.",
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
    def teacher_sizes_px(self) -> tuple[int, ...]:
        """Sides of the teachers' images, each once, in the order of the teachers."""
        if self.teacher_img_size != "auto":
            return (int(self.teacher_img_size),)
        return tuple(dict.fromkeys(TEACHER_SIZES_PX[arch] for arch in self.teacher_archs))

    @property
    def sizes_px(self) -> tuple[int, ...]:
        """Every size that photos are packed at, once: the student's, then the teachers'."""
        return tuple(dict.fromkeys((self.student_img_size, *self.teacher_sizes_px)))


@dataclass(frozen=True, kw_only=True)
class PhotoGrouping(StepSettings):
    """Which photos belong together."""

    group_near_duplicates: bool = setting(
        True, "Keep photos of nearly the same picture in one split; false: equal pixels alone."
    )


@dataclass(frozen=True, kw_only=True)
class ScanSettings(PhotoGrouping, PhotoPacking):
    """Settings of the step scan."""


@dataclass(frozen=True, kw_only=True)
class ScanShardSettings(PhotoPacking):
    """Settings of scan_shard: one of several that scan a collection together."""

    shard_index: int = setting(
        0, "Which of the shards this one is, counted from 0.", ge=0, lt=MOST_SHARDS
    )
    scan_shards: int = setting(
        1, "How many shards the files of the collection are divided into.", ge=1, le=MOST_SHARDS
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.shard_index >= self.scan_shards:
            raise SettingError(
                f"shard_index must be less than scan_shards, {self.scan_shards}; "
                f"got {self.shard_index}."
            )


@dataclass(frozen=True, kw_only=True)
class MergeShardsSettings(PhotoGrouping):
    """Settings of merge_shards."""


@dataclass(frozen=True, kw_only=True)
class SplitSettings(Seeded):
    """Settings of the step split."""

    train_frac: float = setting(0.8, "Share of photos to train on.", gt=0, lt=1)
    val_frac: float = setting(
        0.1, "Share of photos to choose epochs and the threshold on.", gt=0, lt=1
    )
    test_frac: float = setting(0.1, "Share of photos to report on, seen once.", gt=0, lt=1)
    calib_frac: float = setting(
        0.0,
        "Share of photos, taken out of train_frac, to choose the threshold on and nothing else; 0: "
        "it is chosen on the photos that epochs were chosen on.",
        ge=0,
        lt=1,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        total = self.train_frac + self.val_frac + self.test_frac
        if not math.isclose(total, 1.0, abs_tol=1e-6) or self.val_frac + self.test_frac >= 1:
            raise SettingError(
                "train_frac, val_frac and test_frac must add up to 1; "
                f"got {self.train_frac:g} + {self.val_frac:g} + {self.test_frac:g} = {total:g}."
            )
        if self.calib_frac >= self.train_frac:
            raise SettingError(
                "calib_frac is taken out of train_frac and must be less than it; "
                f"got {self.calib_frac:g} of {self.train_frac:g}."
            )


@dataclass(frozen=True, kw_only=True)
class EvaluateSettings(Seeded, InBuckets):
    """Settings of the step evaluate."""

    robustness_photos: int = setting(
        500,
        "Most test photos that are damaged as phones do, to see what the file makes of them; 0: "
        "none.",
        unit="photos",
        ge=0,
        le=1_000_000,
    )
    min_top1: float = setting(
        0.0,
        "Least top-1 of the file on the test photos; below it the model is marked 'do not ship' "
        "and not exported. 0: any will do.",
        ge=0,
        le=1,
    )
    baseline_uri: str = setting(
        "",
        "An earlier bundle, a folder or zip, here or in a bucket (gs://, s3://), to be judged on "
        "the same test photos; empty: none.",
    )
    max_regression: float = setting(
        0.01,
        "Most top-1 that may be lost against the bundle of baseline_uri; beyond it the model is "
        "marked 'do not ship' and not exported.",
        ge=0,
        le=1,
    )


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
    threshold_per_class: bool = setting(
        False, "Add a threshold for each class, by its own answers, to the one for all."
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

COMPONENT_SETTINGS: dict[str, type[StepSettings]] = {
    **STEP_SETTINGS,
    "scan_shard": ScanShardSettings,
    "merge_shards": MergeShardsSettings,
    "failure_report": StepSettings,
}
"""Every component: the steps, those that do the work of scan together, and what only a cluster
needs beside them."""


def all_settings() -> dict[str, DeclaredSetting]:
    """Every setting of the pipeline by name, in the order of the steps that first use it."""
    return {d.name: d for step in STEP_SETTINGS.values() for d in declared_settings(step)}
