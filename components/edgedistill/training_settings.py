"""Settings of teacher and distiller, and what these and qat_export share as trainings."""

from collections.abc import Sequence
from dataclasses import dataclass

from edgedistill.declaration import setting
from edgedistill.errors import SettingError
from edgedistill.shared_settings import (
    RANDOM,
    WEIGHTS_WORDS,
    InBuckets,
    Seeded,
    TeacherChoice,
    listed,
)

AUGMENT_LEVELS = ("none", "light", "standard", "phone")
"""From `core.views`, which knows what each means."""

LR_SCHEDULES = ("cosine", "constant")
"""`tf.optimizers` knows what each means."""

AUTO_ON_OFF = ("auto", "on", "off")

_MOST_GPUS = 64


@dataclass(frozen=True, kw_only=True)
class Trained(Seeded, InBuckets):
    """What the three trainings share."""

    batch_size: int = setting(32, "Photos in a training step.", unit="photos", ge=1, le=4096)
    weight_decay: float = setting(
        0.0, "Decoupled weight decay; above 0 the optimiser is AdamW.", ge=0, lt=1
    )
    lr_schedule: str = setting(
        "cosine",
        "What the learning rate does after the warm-up: falls to 0 along a cosine, or stays.",
        choices=LR_SCHEDULES,
    )
    warmup_frac: float = setting(
        0.1, "Share of a training's steps in which the learning rate rises to its highest.",
        ge=0, lt=1,
    )  # fmt: skip
    use_class_weights: bool = setting(
        True, "Weigh rare classes up in the hard loss, so that each class counts alike."
    )
    label_smoothing: float = setting(
        0.0, "Share of each label that is spread over all classes in the hard loss.", ge=0, lt=1
    )
    ema_decay: float = setting(
        0.98,
        "Decay a step of the moving average of the weights, which is what is judged and kept; "
        "0: no average.",
        ge=0,
        lt=1,
    )
    early_stop_patience: int = setting(
        5,
        "Epochs in a row without a lower validation loss after which a training ends; 0: none.",
        unit="epochs",
        ge=0,
        le=10_000,
    )
    trained_layers: str = setting(
        "later",
        "Pretrained layers that are trained: all, or the later ones, which see the photo at a "
        "sixteenth of its side or less.",
        choices=("all", "later"),
    )
    augment: str = setting(
        "standard",
        "How much photos are varied anew in each epoch; phone adds what phones do: blur, JPEG, "
        "light.",
        choices=AUGMENT_LEVELS,
    )
    augment_flip: bool = setting(
        True, "Mirror photos at random; false where left and right differ, as in text and digits."
    )
    mixup: float = setting(
        0.0, "Alpha of mixup's Beta distribution, by which two photos are blended; 0: none.",
        ge=0, le=10,
    )  # fmt: skip
    save_tensorboard: bool = setting(True, "Write TensorBoard logs beside the trained network.")
    checkpoint_uri: str = setting(
        "",
        "Where a training saves its state to go on after an interruption: a folder or a bucket "
        "(gs://, s3://); empty: beside the steps in a local run, on a cluster in the claim for "
        "checkpoints, or nowhere where there is none.",
    )
    checkpoint_steps: int = setting(
        0, "Steps between two saves of the state; 0: after each epoch.", unit="steps", ge=0
    )
    compute_threads: int = setting(
        0,
        "Threads that TensorFlow computes with, on which the last bits of a result depend; 0: one "
        "for each core.",
        unit="threads",
        ge=0,
        le=1024,
    )
    gpu_count: str = setting(
        "auto",
        "GPUs that a training computes on, several as one; auto: every GPU that there is, else the "
        "CPU; a number: so many, or the step fails; 0: the CPU.",
        unit="GPUs",
    )
    data_workers: int = setting(
        2, "Threads that prepare batches; no result depends on them.", unit="threads", ge=1, le=256
    )
    mixed_precision: str = setting(
        "auto",
        "Compute in bfloat16 where a GPU can; on: anywhere. Quantisation-aware training stays in "
        "float32.",
        choices=AUTO_ON_OFF,
    )
    xla: str = setting(
        "auto",
        "Compile the training step with XLA; auto: on a GPU.",
        choices=AUTO_ON_OFF,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        text = self.gpu_count
        # "1" and "01" would be two values of one meaning, also to KFP's cache.
        number = text.isascii() and text.isdecimal() and str(int(text)) == text
        if text != "auto" and not (number and int(text) <= _MOST_GPUS):
            raise SettingError(
                f"gpu_count must be auto or a whole number from 0 to {_MOST_GPUS}; got {text!r}."
            )


@dataclass(frozen=True, kw_only=True)
class Distilled(Trained):
    """What the two trainings with a teacher share."""

    distill_alpha: float = setting(
        0.5, "Weight of the hard loss; the rest is the distillation loss.", ge=0, le=1
    )
    distill_temperature: float = setting(
        4.0, "Temperature that softens teacher and student.", gt=0, le=100
    )
    teacher_views: int = setting(
        0,
        "Views of each photo that the teacher answers once, before training, which then shows "
        "these in turn; 0: a new view in each epoch, which the teacher answers in every step.",
        unit="views",
        ge=0,
        le=1000,
    )


@dataclass(frozen=True, kw_only=True)
class FineTuned(Trained):
    """What the two trainings share that start from pretrained weights."""

    pretrained_rate: float = setting(
        0.5, "Learning rate of pretrained layers, as a share of the head's.", gt=0, le=1
    )
    head_first: bool = setting(
        True,
        "Fit the head to pretrained features, taken once, before any layer is trained; false: it "
        "starts at random.",
    )
    train_batch_norm: bool = setting(
        False,
        "Train pretrained batch normalisation along, by the statistics of each batch; false: it "
        "stays as it is pretrained.",
    )

    def _require_something_to_train(self, epochs: str, weights: str, starts: Sequence[str]) -> None:
        """Refuses no epochs for a network whose head is not fitted before them."""
        if getattr(self, epochs) > 0:
            return
        if RANDOM in starts:
            raise SettingError(
                f"{epochs} must be at least 1 where {weights} is none: "
                "a random network has nothing to train a head on; got 0."
            )
        if not self.head_first:
            raise SettingError(
                f"{epochs} must be at least 1 where head_first is false: nothing would be "
                "trained; got 0."
            )


@dataclass(frozen=True, kw_only=True)
class TeacherSettings(TeacherChoice, FineTuned):
    """Settings of the step teacher."""

    teacher_weights: str = setting(
        "imagenet",
        "Start of the teacher: imagenet, none (random), or a file of weights; of several teachers "
        "one word for all, or one such start for each, with commas between.",
    )
    epochs_teacher: int = setting(
        10,
        "Most passes of the teacher's training after its head; 0 trains its head alone.",
        unit="epochs",
        ge=0,
        le=10_000,
    )
    lr_teacher: float = setting(
        1e-3,
        "Highest learning rate of the teacher.",
        gt=0,
        le=1,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        n_teachers, n_starts = len(self.teacher_archs), len(self.teacher_starts)
        if n_starts != n_teachers:
            raise SettingError(
                "teacher_weights must be imagenet or none for all teachers, or have as many "
                f"starts as teacher_arch has networks, which is {n_teachers}; got "
                f"{self.teacher_weights}."
            )
        self._require_something_to_train("epochs_teacher", "teacher_weights", self.teacher_starts)

    @property
    def teacher_starts(self) -> tuple[str, ...]:
        """What each of `teacher_archs` starts from: imagenet, none, or a file's place.

        A lone teacher's file may have commas in its name.
        """
        n_teachers = len(self.teacher_archs)
        if n_teachers == 1:
            return (self.teacher_weights,)
        starts = listed(self.teacher_weights)
        return starts * n_teachers if self.teacher_weights in WEIGHTS_WORDS else starts


@dataclass(frozen=True, kw_only=True)
class DistillerSettings(Distilled, FineTuned):
    """Settings of the step distiller."""

    student_weights: str = setting(
        "imagenet", "Start of the student: imagenet, none (random), or a file of weights."
    )
    epochs_student: int = setting(
        20,
        "Most passes of the student's distillation after its head; 0 trains its head alone.",
        unit="epochs",
        ge=0,
        le=10_000,
    )
    lr_student: float = setting(
        1e-3,
        "Highest learning rate of the student.",
        gt=0,
        le=1,
    )
    measure_kd_gain: bool = setting(
        False, "Train a second student, without the teacher, to measure what distillation gains."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        starts = (self.student_weights,)
        self._require_something_to_train("epochs_student", "student_weights", starts)
        if self.measure_kd_gain and self.distill_alpha == 1:
            raise SettingError(
                "measure_kd_gain must be false where distill_alpha is 1: the student itself is "
                "then trained without the teacher; got true."
            )
