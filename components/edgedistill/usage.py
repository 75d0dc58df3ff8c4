"""What --help shows."""

import textwrap
from collections.abc import Mapping

from edgedistill.arguments import (
    COMPARE_OPTIONS,
    COMPILE_OPTIONS,
    RUN_OPTIONS,
    VERIFY_OPTIONS,
)
from edgedistill.declaration import DeclaredSetting
from edgedistill.presets import PRESETS
from edgedistill.server.usage import SERVER_LOGIN, SERVER_USAGES
from edgedistill.setting_texts import default_text, settings_by_step, value_text

EXAMPLES = """\
Turns folders of photos into an int8 TFLite image classifier for phones.

  Try it on built-in data, in a few minutes:
    python pipeline.py run --data_dir sample --preset quick --output_dir out

  Train on your own photos, one folder a class:
    python pipeline.py run --data_dir photos --output_dir out

  Repeat a run, to see whether it gives the same file again:
    python pipeline.py verify out

  Hold runs against the first of them, on one page:
    python pipeline.py compare out out2

  Compile for Kubeflow Pipelines, with an image of your own registry:
    python pipeline.py compile --image registry.example/edgedistill-train:0.1.0 --output_folder kfp

  Put the compiled pipeline on a server, once for each content:
    python pipeline.py publish --host URL --namespace N

  Start a run there, with --wait true to its end:
    python pipeline.py submit --host URL --namespace N --experiment E --data_dir gs://b/photos

  See what the server starts by itself; schedule and stop are beside it:
    python pipeline.py recurring list --host URL --namespace N

python pipeline.py run --help lists every setting."""
_RUN_USAGE = (
    "python pipeline.py run --data_dir FOLDER --output_dir FOLDER [--name value ...]\n\n"
    "Runs the pipeline on this machine. A second run of the same command reuses finished steps.\n"
    "Exit status 0: the model may ship; 1: a step failed; 2: something is to be mended; 3: the\n"
    "run is whole, but min_top1 or max_regression holds its model back."
)

_VERIFY_USAGE = (
    "python pipeline.py verify FOLDER [--data_dir PLACE] [--keep true]\n\n"
    "Repeats the run that FOLDER holds, and says whether it gives the same file, or where the\n"
    "first difference is: data, split, teacher, student or file. Exit status 0: the same;\n"
    "1: it differs; 2: it cannot be judged."
)

_COMPARE_USAGE = (
    "python pipeline.py compare FOLDER FOLDER ... [--output FILE] [--overwrite true]\n\n"
    "Writes a page that holds 2 to 10 finished runs against the first of them: figures with\n"
    "intervals, photos whose answer changed, classes, settings and machines that differ.\n"
    "An earlier page of compare is replaced, another file only with --overwrite true.\n"
    "Exit status 0: the page is written; 2: a run or the page's place cannot be used."
)

_COMPILE_USAGE = (
    "python pipeline.py compile [--output_folder FOLDER --name value ...]\n\n"
    "Without a flag: writes the compiled files and tables that are committed, anew. With\n"
    "--output_folder: writes one pipeline into it, to upload, and as objects for GitOps."
)


def usage(command: str) -> str:
    """The page of a command's --help; examples of all, where it has none."""
    if command == "run":
        return _run_help()
    if command == "verify":
        return _options_help(_VERIFY_USAGE, VERIFY_OPTIONS)
    if command == "compare":
        return _options_help(_COMPARE_USAGE, COMPARE_OPTIONS)
    if command == "compile":
        return _options_help(_COMPILE_USAGE, COMPILE_OPTIONS)
    if command in SERVER_USAGES:
        pages = (_options_help(text, options) for text, options in SERVER_USAGES[command])
        return "\n\n".join([*pages, SERVER_LOGIN])
    return EXAMPLES


def _options_help(usage: str, options: Mapping[str, DeclaredSetting]) -> str:
    """The page of a command with few flags of its own."""
    return "\n\n".join([usage, "\n".join(_help_entry(d, "left out") for d in options.values())])


def _run_help() -> str:
    """All flags of `run`, grouped by the step that uses each first, with default and range."""
    groups = {"run": list(RUN_OPTIONS.values()), **settings_by_step()}
    sections = [
        f"{title}:\n" + "\n".join(_help_entry(d) for d in group)
        for title, group in groups.items()
        if group
    ]
    return "\n\n".join([_RUN_USAGE, *sections, _presets_help()])


def _help_entry(declared: DeclaredSetting, nothing: str = "left empty") -> str:
    kind = {bool: "true|false", int: "N", float: "X", str: "TEXT"}[declared.type]
    choices = "|".join(declared.constraint.choices)
    default = default_text(declared, nothing)
    note = default if declared.default is None else f"default {default}"
    limits = "" if choices else declared.constraint.range_text()
    details = "; ".join(t for t in (note, declared.constraint.unit, limits) if t)
    text = textwrap.fill(
        f"{declared.constraint.help} [{details}]",
        width=96,
        initial_indent="      ",
        subsequent_indent="      ",
    )
    return f"  --{declared.name} {choices or kind}\n{text}"


def _presets_help() -> str:
    lines = []
    for name, values in PRESETS.items():
        flags = " ".join(f"--{n} {value_text(v)}" for n, v in values.items()) or "every default"
        lines.append(textwrap.fill(f"{name}: {flags}", width=96, subsequent_indent="      "))
    return "presets:\n" + textwrap.indent("\n".join(lines), "  ")
