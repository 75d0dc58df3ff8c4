"""How fast and how large the phone's files are, as a part of a report."""

from collections.abc import Mapping
from typing import Any

from edgedistill.artifacts import MODEL_FILE, TASKS_FILE
from edgedistill.report.page import Section, Table

# Short enough that a phone shows both columns.
_COLUMNS = {MODEL_FILE: "int8 file", TASKS_FILE: "tasks file"}


def performance_section(document: Mapping[str, Any]) -> Section:
    """The measured figures of both files, and apart from them the estimate for a phone.

    Args:
        document: the content of artifacts.PERFORMANCE.
    """
    estimate = document["estimated_latency"]
    names = " and ".join(f"{name} ({short})" for name, short in _COLUMNS.items())
    return Section(
        "How fast it is",
        paragraphs=[
            f"Estimate for a phone ({estimate['device']}, {estimate['threads']} threads): about "
            f"{estimate['milliseconds']:,g} ms an image, for "
            f"{document['multiply_adds'] / 1e6:,.0f} million multiply-adds. {estimate['source']} "
            "Measure on the phones that you ship to before you promise a time.",
            f"Measured on {_cores(document['n_cores'])} of the machine that made {names}: these "
            "times are not a phone's, and other work on the machine is in them. They serve to "
            "compare files and runs. One image after the other with LiteRT, warmed up; decoding "
            "and letterbox are not included. Memory: by "
            "how much loading and running the file raises the peak of a process.",
        ],
        table=_measured(document),
    )


def _measured(document: Mapping[str, Any]) -> Table:
    """A figure a row, so that the files stand side by side."""
    latency_ms = document["latency_ms"]
    rows = []
    for n_threads in latency_ms[MODEL_FILE]:
        who = f"{n_threads} thread{'' if n_threads == '1' else 's'}"
        for key, what in (("median", "median"), ("p95", "95th percentile")):
            times = [f"{latency_ms[name][n_threads][key]:,.2f}" for name in _COLUMNS]
            rows.append([f"{who}, {what}, ms", *times])
    memory = [_memory(document["peak_memory_mb"][name]) for name in _COLUMNS]
    sizes = [f"{document['size_bytes'][name] / 1e6:,.2f}" for name in _COLUMNS]
    rows += [["memory, MB", *memory], ["size, MB", *sizes]]
    return Table(["", *_COLUMNS.values()], rows, title="On this machine")


def _cores(n_cores: int) -> str:
    return "one core" if n_cores == 1 else f"{n_cores} cores"


def _memory(memory_mb: float | None) -> str:
    return "–" if memory_mb is None else f"{memory_mb:,.1f}"
