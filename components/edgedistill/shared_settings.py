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


def listed(text: str) -> tuple[str, ...]:
    """What stands between the commas, without blanks around it."""
    return tuple(part.strip() for part in text.split(","))


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
    """Which networks teach: scan packs their image sizes, teacher builds and trains them."""

    teacher_arch: str = setting(
        "efficientnet_b3",
        f"Network of the teacher: {', '.join(TEACHER_SIZES_PX)}; or several of them, with commas "
        "between, which then teach together, by the mean of their probabilities.",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        archs = self.teacher_archs
        if len(set(archs)) < len(archs) or not set(archs) <= set(TEACHER_SIZES_PX):
            raise SettingError(
                f"teacher_arch must be one or several of {', '.join(TEACHER_SIZES_PX)}, each "
                f"once and with commas between; got {self.teacher_arch}."
            )

    @property
    def teacher_archs(self) -> tuple[str, ...]:
        """The teachers' networks, at least one, in the order given."""
        return listed(self.teacher_arch)


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
