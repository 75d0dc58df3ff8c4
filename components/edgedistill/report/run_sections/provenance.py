"""The file itself, the settings, and where it all comes from."""

from collections.abc import Mapping
from typing import Any

from edgedistill.report.page import Section, Table
from edgedistill.report.run_facts import RunFacts
from edgedistill.report.wording import megabytes


def file_section(facts: RunFacts) -> Section:
    """What the shipped file is, as it says of itself."""
    entry, exit_ = facts.model["input"], facts.model["output"]
    size_bytes = facts.model["size_bytes"]
    rows = [
        ["file", facts.model["model_file"]],
        ["size", f"{megabytes(size_bytes)} ({size_bytes:,} bytes)"],
        ["SHA-256", facts.model["sha256"]],
        ["made by", facts.quantization["method"]],
        ["input", f"{entry['width']} × {entry['height']} px, {entry['dtype']}, "
                  f"{_quantisation(entry)}"],
        ["output", f"{len(facts.manifest['classes']):,} classes, {exit_['dtype']}, "
                   f"{_quantisation(exit_)}"],
        ["tensors", _counts_text(facts.quantization["tensor_dtypes"])],
        ["operators", _counts_text(facts.quantization["operators"])],
    ]  # fmt: skip
    return Section("The file", table=Table(["", ""], rows))


def settings_section(facts: RunFacts) -> Section:
    """Every setting of the run."""
    rows = [[name, _setting_text(value)] for name, value in facts.config["settings"].items()]
    table = Table(["setting", "value"], rows, title="All settings", folded=True)
    return Section("Settings", table=table)


def provenance_section(facts: RunFacts) -> Section:
    """Data, code, machine, time and packages."""
    run = facts.run
    rows = [
        ["started", run["started_utc"]],
        ["finished", run["finished_utc"]],
        ["data", f"{facts.manifest['data_dir']}, SHA-256 {facts.manifest['digest']}"],
        ["seed", str(run["seed"])],
        ["git revision", run["git_revision"] or "–"],
        ["Python", run["python"]],
        *[
            [f"machine, {name.removesuffix('_bytes')}", _machine_text(name, value)]
            for name, value in run["machine"].items()
        ],
    ]
    reused = set(run["reused_steps"])
    seconds = [
        [step, f"{took:,.1f}", "from an earlier run" if step in reused else ""]
        for step, took in run["seconds"].items()
    ]
    packages = [[name, str(version)] for name, version in run["packages"].items()]
    return Section(
        "Where it comes from",
        tables=[
            Table(["", ""], rows),
            Table(["step", "seconds", ""], seconds, title="Time"),
            Table(["package", "version"], packages, title="Packages", folded=True),
        ],
    )


def _quantisation(end: Mapping[str, Any]) -> str:
    rule = end["quantization"]
    return f"scale {rule['scale']:g}, zero point {rule['zero_point']}"


def _counts_text(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{n:,} {name}" for name, n in counts.items())


def _machine_text(name: str, value: Any) -> str:
    return f"{value / 1e9:.1f} GB" if name.endswith("_bytes") else str(value)


def _setting_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
