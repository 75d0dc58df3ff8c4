"""From the words of a command line to what is asked for: flags, presets, places."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgedistill.declaration import Constraint, DeclaredSetting, Value
from edgedistill.errors import SettingError
from edgedistill.presets import PRESETS, resolve, unknown_name_sentence
from edgedistill.settings import (
    MOST_SHARDS,
    WEIGHTS_WORDS,
    ScanSettings,
    TeacherSettings,
    all_settings,
)

SUBPROCESS, DOCKER = "subprocess", "docker"


def _flag(name: str, default: Value | None, text: str, *choices: str) -> DeclaredSetting:
    """A flag that is no setting; without a default it is a text that must be given."""
    kind = str if default is None else type(default)
    return DeclaredSetting(
        name=name, type=kind, default=default, constraint=Constraint(help=text, choices=choices)
    )


def _by_name(*flags: DeclaredSetting) -> dict[str, DeclaredSetting]:
    return {flag.name: flag for flag in flags}


RUN_OPTIONS = _by_name(
    _flag("output_dir", None, "Folder that the finished run is put into."),
    _flag("preset", "standard", "Named set of settings; a flag overrides it.", *PRESETS),
    _flag("overwrite", False, "Replace an earlier run that had other settings."),
    _flag(
        "runner",
        SUBPROCESS,
        "Where steps run: processes of this Python, or containers of the "
        "image that a cluster takes.",
        SUBPROCESS,
        DOCKER,
    ),
)
"""Flags of `run` that are no settings of the pipeline: they do not change what it computes."""

VERIFY_OPTIONS = _by_name(
    _flag("data_dir", "", "Where the photos are now; left out: where they were."),
    _flag("keep", False, "Keep the folder of the repetition's steps."),
)
"""Flags of `verify`."""

COMPARE_OPTIONS = _by_name(
    _flag("output", "compare.html", "File that the page is written to."),
    _flag("overwrite", False, "Replace a file that is no page of compare."),
)
"""Flags of `compare`."""

SELF_TEST_OPTIONS = _by_name(
    _flag("downloaded_weights", True, "ImageNet weights that are downloaded must be here."),
)
"""Flags of `python3 -m edgedistill.self_test`."""

COMPILE_OPTIONS = _by_name(
    _flag("output_folder", "", "Folder for one pipeline of your own; left out: what is committed."),
    _flag("variant", "buckets", "Where the photos are.", "buckets", "pvc"),
    _flag("image", "", "Image of the steps, with its registry; left out: edgedistill-train."),
    DeclaredSetting(
        name="scan_shards",
        type=int,
        default=1,
        constraint=Constraint(
            help="Pods that share the work of scan.", unit="pods", ge=1, le=MOST_SHARDS
        ),
    ),
    _flag("namespace", "edgedistill", "Namespace of the objects for GitOps."),
)
"""Flags of `compile`."""

_HAS_VERSION = re.compile(r"(:(?!latest$)[\w][\w.-]*|@sha256:[0-9a-f]{64})$")

_WORDS_FOR_PLACES = {
    "data_dir": ("sample",),
    "unknown_uri": ("sample", ""),
    "student_weights": WEIGHTS_WORDS,
    "baseline_uri": ("",),
    "export_uri": ("",),
    "checkpoint_uri": ("",),
}
"""The settings that name one file or folder, each with the words that do not."""


@dataclass(frozen=True, kw_only=True)
class RunArguments:
    """What a run was asked for; `settings` holds every setting, with its place made absolute."""

    output_dir: Path
    overwrite: bool
    runner: str
    settings: dict[str, Value]


@dataclass(frozen=True, kw_only=True)
class VerifyArguments:
    """What is to be verified; `data_dir` is None where the photos are where they were."""

    output_dir: Path
    data_dir: str | None
    keep: bool


@dataclass(frozen=True, kw_only=True)
class CompareArguments:
    """Which runs are to be compared, in this order, and where the page goes."""

    folders: tuple[Path, ...]
    output: Path
    overwrite: bool


def read_run_arguments(words: Sequence[str]) -> RunArguments:
    """Reads the words behind `run`.

    Raises:
        SettingError: a flag is unknown, given twice or without a value, or a value is not allowed.
    """
    declared = {**RUN_OPTIONS, **all_settings()}
    texts = read_flags(words, declared)
    given = {name: declared[name].parse(text) for name, text in texts.items()}
    options = {name: given.pop(name, d.default) for name, d in RUN_OPTIONS.items()}
    values = _resolve_places(resolve(given, str(options["preset"])))
    if not options["output_dir"]:
        raise SettingError("output_dir must be given: add --output_dir FOLDER.")
    return RunArguments(
        output_dir=_absolute(str(options["output_dir"])),
        overwrite=options["overwrite"] is True,
        runner=str(options["runner"]),
        settings=values,
    )


def read_verify_arguments(words: Sequence[str]) -> VerifyArguments:
    """Reads the words behind `verify`: the run's folder, then flags.

    Raises:
        SettingError: the folder is missing, a flag is unknown, or a value is not allowed.
    """
    if not words or words[0].startswith("--"):
        raise SettingError("verify needs the folder of a run: python pipeline.py verify FOLDER")
    texts = read_flags(words[1:], VERIFY_OPTIONS)
    given = {name: VERIFY_OPTIONS[name].parse(text) for name, text in texts.items()}
    place = given.get("data_dir")
    return VerifyArguments(
        output_dir=_absolute(words[0]),
        data_dir=None if place is None else _resolve_data_dir(str(place)),
        keep=given.get("keep") is True,
    )


def read_compare_arguments(words: Sequence[str]) -> CompareArguments:
    """Reads the words behind `compare`: folders of runs and flags, in any order.

    Raises:
        SettingError: a flag is unknown, given twice or without a value, or a value is not allowed.
    """
    folders: list[str] = []
    flags: list[str] = []
    waiting = list(words)
    while waiting:
        word = waiting.pop(0)
        if not word.startswith("--"):
            folders.append(word)
            continue
        flags.append(word)
        if "=" not in word and waiting and not waiting[0].startswith("--"):
            flags.append(waiting.pop(0))
    texts = read_flags(flags, COMPARE_OPTIONS)
    given = {name: COMPARE_OPTIONS[name].parse(text) for name, text in texts.items()}
    options = {name: given.get(name, d.default) for name, d in COMPARE_OPTIONS.items()}
    if not options["output"]:
        raise SettingError("output must not be empty.")
    if "" in folders:
        raise SettingError("the folder of a run must not be empty.")
    return CompareArguments(
        folders=tuple(_absolute(folder) for folder in folders),
        output=_absolute(str(options["output"])),
        overwrite=options["overwrite"] is True,
    )


@dataclass(frozen=True, kw_only=True)
class CompileArguments:
    """One pipeline to compile; `image` is "" for the one that the package names."""

    output_folder: Path
    variant: str
    image: str
    scan_shards: int
    namespace: str


def read_compile_arguments(words: Sequence[str]) -> CompileArguments | None:
    """Reads the words behind `compile`; None where there are none: all that is committed.

    Raises:
        SettingError: a flag is unknown, given twice or without a value, or a value is not allowed.
    """
    texts = read_flags(words, COMPILE_OPTIONS)
    if not texts:
        return None
    given = {name: COMPILE_OPTIONS[name].parse(text) for name, text in texts.items()}
    options = {name: given.get(name, d.default) for name, d in COMPILE_OPTIONS.items()}
    if not options["output_folder"]:
        raise SettingError(
            "output_folder must be given with any other flag of compile: add --output_folder "
            "FOLDER, so that the committed files stay what they are."
        )
    image = str(options["image"])
    if image and not _HAS_VERSION.search(image):
        raise SettingError(
            f"image must end with a version, :1.2 or @sha256:..., and not :latest, by which KFP "
            f"tells whether a step can be reused; got {image}."
        )
    return CompileArguments(
        output_folder=_absolute(str(options["output_folder"])),
        variant=str(options["variant"]),
        image=image,
        scan_shards=int(options["scan_shards"]),
        namespace=str(options["namespace"]),
    )


def read_flags(words: Sequence[str], known: Iterable[str]) -> dict[str, str]:
    """The texts of flags written `--name value` or `--name=value`, by name.

    Raises:
        SettingError: a word is no flag, or a flag is unknown, given twice or without a value.
    """
    known = list(known)
    texts: dict[str, str] = {}
    waiting = list(words)
    while waiting:
        word = waiting.pop(0)
        name, equals, text = word.removeprefix("--").partition("=")
        if not word.startswith("--") or not name:
            raise SettingError(f"{word} is not a flag; settings are written --name value.")
        if name not in known:
            raise SettingError(unknown_name_sentence(name, known))
        if name in texts:
            raise SettingError(f"--{name} is given twice; once is enough.")
        if not equals and (not waiting or waiting[0].startswith("--")):
            raise SettingError(f"--{name} has no value; write --{name} VALUE.")
        texts[name] = text if equals else waiting.pop(0)
    return texts


def _resolve_places(values: Mapping[str, Value]) -> dict[str, Value]:
    """The values with places made absolute, `auto` replaced, and whole numbers for floats mended.

    KFP refuses a whole number for a parameter that is a float.
    """
    types = {name: d.type for name, d in all_settings().items()}
    resolved = {n: float(v) if types[n] is float else v for n, v in values.items()}
    for name, words in _WORDS_FOR_PLACES.items():
        resolved[name] = _resolve_place(name, str(values[name]), words)
    return {**resolved, **_resolve_teachers(values)}


def _resolve_teachers(values: Mapping[str, Value]) -> dict[str, Value]:
    """What is said of the teachers, their names without blanks between.

    `auto` stays where they take images of several sizes.
    """
    scan, teacher = ScanSettings.choose(values), TeacherSettings.choose(values)
    name, weights, sizes_px = "teacher_weights", teacher.teacher_weights, scan.teacher_sizes_px
    # A word for all of them stays one word.
    places = [weights] if weights in WEIGHTS_WORDS else teacher.teacher_starts
    resolved: dict[str, Value] = {
        "teacher_arch": ",".join(scan.teacher_archs),
        "teacher_img_size": str(sizes_px[0]) if len(sizes_px) == 1 else "auto",
        name: ",".join(_resolve_place(name, place, WEIGHTS_WORDS) for place in places),
    }
    TeacherSettings.choose({**values, **resolved})  # a folder above a file may have a comma too
    return resolved


def _resolve_data_dir(place: str) -> str:
    return _resolve_place("data_dir", place, _WORDS_FOR_PLACES["data_dir"])


def _resolve_place(name: str, place: str, words: Sequence[str]) -> str:
    """The place that a setting names, made absolute; words and addresses as they are."""
    if not place and place not in words:
        raise SettingError(f"{name} must not be empty.")
    return place if place in words or "://" in place else str(_absolute(place))


def _absolute(place: str) -> Path:
    try:
        return Path(place).expanduser().resolve()
    except RuntimeError:  # of expanduser: no such user
        raise SettingError(f"{place} names the home of a user who does not exist.") from None
