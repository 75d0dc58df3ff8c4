"""The flags of the commands that speak to a server, and what they read from the words."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgedistill.arguments import read_flags
from edgedistill.declaration import Constraint, DeclaredSetting, Value
from edgedistill.errors import SettingError
from edgedistill.presets import unknown_name_sentence
from edgedistill.server.login import refuse_secret_flags

COMPILED_FILE = "manifests/pipeline.yaml"
PIPELINE_NAME = "edgedistill"
SERVICE_ACCOUNT = "edgedistill-runner"

Options = dict[str, DeclaredSetting]


def _option(name: str, default: Value | None, text: str, **limits: Any) -> Options:
    kind = str if default is None else type(default)
    constraint = Constraint(help=text, **limits)
    return {name: DeclaredSetting(name=name, type=kind, default=default, constraint=constraint)}


_SERVER = {
    **_option("host", None, "Address of the server, https://... with its path."),
    **_option(
        "namespace",
        "",
        "Namespace of the pipelines and runs; left out: the pod's own, or none on a server that "
        "keeps none apart.",
    ),
}
_WHAT_RUNS = {
    **_option("experiment", None, "Experiment that the runs belong to; made if need be."),
    **_option("pipeline_name", "", f"Published pipeline; left out: {PIPELINE_NAME}."),
    **_option("version_name", "", "Version of it; left out: the newest."),
    **_option("pipeline_file", "", "Compiled file to run instead of a published pipeline."),
    **_option("service_account", SERVICE_ACCOUNT, "Kubernetes service account of the steps."),
    **_option(
        "pipeline_root",
        "",
        "Where artifacts go; left out: where the server puts them.",
        pattern="((gs|s3|minio)://.+)?",
        wanted="a place in a bucket, gs://, s3:// or minio://",
    ),
    **_option(
        "enable_caching",
        "compiled",
        "Whether finished steps of other runs are reused; with --pipeline_file alone, as a server "
        "heeds it for no published pipeline.",
        choices=("compiled", "true", "false"),
    ),
}

PUBLISH_OPTIONS: Options = {
    **_SERVER,
    **_option(
        "pipeline_name", "", "Pipeline that the version belongs to; left out: as it was compiled."
    ),
    **_option("version_name", "", "Name of the version; left out: made from its content."),
    **_option("pipeline_file", COMPILED_FILE, "Compiled file, of python pipeline.py compile."),
    **_option("output_file", "", "JSON file that is told which version it is, for a script."),
}
"""Flags of `publish`."""

SUBMIT_OPTIONS: Options = {
    **_SERVER,
    **_WHAT_RUNS,
    **_option("run_name", "", "Name of the run; left out: made from version and time."),
    **_option("wait", False, "Follow the run to its end, whose outcome is the exit status."),
    **_option("timeout_s", 0.0, "Longest time that it is followed; 0: no limit.", unit="s", ge=0),
}
"""Flags of `submit`, beside the pipeline's parameters."""

SCHEDULE_OPTIONS: Options = {
    **_SERVER,
    **_option("job_name", None, "Name of the job; one of that name is made once."),
    **_option("cron", "", "When, in six fields from seconds to day of the week, or @weekly."),
    **_option("interval_s", 0, "Time between two starts, instead of cron.", unit="s", ge=0),
    **_option(
        "max_concurrency", 1, "Most runs of the job at the same time.", unit="runs", ge=1, le=10
    ),
    **_option("catchup", False, "Make up for starts that were missed while it was off."),
    **_option("replace", False, "Replace a job of that name that has other settings."),
    **_WHAT_RUNS,
}
"""Flags of `recurring schedule`, beside the pipeline's parameters."""

LIST_OPTIONS: Options = dict(_SERVER)
"""Flags of `recurring list`."""

STOP_OPTIONS: Options = {**_SERVER, "job_name": SCHEDULE_OPTIONS["job_name"]}
"""Flags of `recurring stop`."""


@dataclass(frozen=True)
class ServerArguments:
    """A value for each flag of the command, and the texts given for the pipeline's parameters."""

    values: Mapping[str, Value]
    parameters: Mapping[str, str]

    def text(self, name: str) -> str:
        """The value of a flag that holds text."""
        return str(self.values[name])


def read_server_arguments(
    words: Sequence[str], options: Options, *, parameters: bool = False
) -> ServerArguments:
    """Reads the words behind a command.

    Args:
        words: the words.
        options: the command's flags.
        parameters: whether other names may be the pipeline's parameters, which the pipeline
            alone knows.

    Raises:
        SettingError: a flag is unknown, given twice, without a value or must be given, or a value
            is not allowed.
    """
    refuse_secret_flags(words)
    names = [word[2:].partition("=")[0] for word in words if word.startswith("--")]
    texts = read_flags(words, [*options, *names] if parameters else options)
    own = {name: options[name].parse(texts.pop(name)) for name in options if name in texts}
    for name, declared in options.items():
        if declared.default is None and not own.get(name):
            _refuse_missing(name, texts)
    values = {n: own[n] if n in own else _default(d) for n, d in options.items()}
    return ServerArguments(values, texts)


def check_source(wanted: ServerArguments) -> None:
    """Refuses what names two pipelines, or a switch that would do nothing.

    Raises:
        SettingError: the flags do not go together.
    """
    of_file = bool(wanted.values["pipeline_file"])
    for name in ("pipeline_name", "version_name"):
        if of_file and wanted.values[name]:
            raise SettingError(f"pipeline_file runs a file, {name} a published pipeline; give one.")
    if not of_file and wanted.values["enable_caching"] != "compiled":
        raise SettingError(
            "enable_caching needs --pipeline_file: a server does not heed it for a published "
            "pipeline."
        )


def caching_of(wanted: ServerArguments) -> bool | None:
    """What enable_caching says; None is as compiled."""
    return {"true": True, "false": False}.get(wanted.text("enable_caching"))


def _default(declared: DeclaredSetting) -> Value:
    return "" if declared.default is None else declared.default


def _refuse_missing(name: str, others: Mapping[str, str]) -> None:
    near = difflib.get_close_matches(name, list(others), n=1, cutoff=0.8)
    if near:
        raise SettingError(unknown_name_sentence(near[0], [name]))
    raise SettingError(f"{name} must be given: add --{name} VALUE.")
