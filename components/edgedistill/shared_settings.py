"""What several steps have to set: the classes that a step's settings are put together from."""

from dataclasses import dataclass

from edgedistill.declaration import Settings, setting
from edgedistill.errors import SettingError

TEACHER_SIZES_PX = {"efficientnet_b3": 300, "resnet101": 224, "efficientnet_lite2": 260}
"""The architectures that a teacher may have, each with the image size it was published for."""

DOWNLOADED_NETWORKS = ("efficientnet_b3", "resnet101")
"""Those whose ImageNet weights come with no package."""

IMAGENET, RANDOM = "imagenet", "none"
WEIGHTS_WORDS = (IMAGENET, RANDOM)
"""What a setting of weights may say in place of a file; `tf.weights` knows the same two words."""


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
