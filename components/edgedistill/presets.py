"""From what is given, a preset and the defaults to the value of every setting."""

import difflib
from collections.abc import Iterable, Mapping, Sequence

from edgedistill.declaration import Value
from edgedistill.errors import SettingError
from edgedistill.settings import STEP_SETTINGS, all_settings

PRESETS: dict[str, dict[str, Value]] = {
    "standard": {},
    "quick": {
        "teacher_arch": "efficientnet_lite2",
        "teacher_img_size": "160",
        "student_img_size": 224,
        "epochs_teacher": 0,
        # The head alone: an epoch of its layers gained nothing that the fine-tuning does not.
        "epochs_student": 0,
        # It is the first time that the student's layers learn: one epoch left clothes 2.4 points
        # below two, and 1e-4 would be too slow.
        "epochs_qat": 2,
        "lr_qat": 5e-4,
        # The teacher is a head on small photos: of clothes it knew less than a plain student.
        "distill_alpha": 1.0,
        "quant_max_drop": 0.05,
        "augment_flip": False,
        "robustness_photos": 100,
    },
}
"""Named sets of settings; `standard` is every default. A flag overrides its preset."""


def resolve(given: Mapping[str, Value], preset: str = "standard") -> dict[str, Value]:
    """Every setting with its value: the given one, else the preset's, else the default.

    Raises:
        SettingError: a name or the preset is unknown, a required setting is missing, or a value
            (or a combination, such as the fractions) is not allowed.
    """
    if preset not in PRESETS:
        raise SettingError(f"preset must be one of {', '.join(PRESETS)}; got {preset}.")
    declared = all_settings()
    for name in given:
        if name not in declared:
            raise SettingError(unknown_name_sentence(name, declared))
    defaults = {name: d.default for name, d in declared.items() if d.default is not None}
    values = {**defaults, **PRESETS[preset], **given}
    missing = [name for name in declared if name not in values]
    if missing:
        raise SettingError(f"{missing[0]} must be given: add --{missing[0]} VALUE.")
    for step in STEP_SETTINGS.values():
        step.choose(values)
    return {name: values[name] for name in declared}


def unknown_name_sentence(name: str, known: Iterable[str]) -> str:
    """One sentence that refuses an unknown setting and names the nearest known one."""
    near = difflib.get_close_matches(name, list(known), n=1)
    hint = f"did you mean --{near[0]}?" if near else "--help lists them all."
    return f"--{name} is not a setting; {hint}"


def nearest_name(name: str, known: Sequence[str]) -> str:
    """The known name that is most like `name`, else the first; "" where none is known."""
    near = difflib.get_close_matches(name, known, n=1) or known[:1]
    return near[0] if near else ""
