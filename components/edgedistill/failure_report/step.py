"""The component failure_report: a run's pods become a page that says what went wrong."""

import logging
from collections.abc import Sequence

from edgedistill.errors import StorageError
from edgedistill.failure_report.pods import Pod, Pods
from edgedistill.failure_report.reasons import own_lines, why
from edgedistill.folders import write_file

SUCCEEDED = "SUCCEEDED"
"""KFP's word for steps that did all their work."""

_log = logging.getLogger(__name__)


def report_failure(workflow: str, state: str, report: str, pods: Pods | None = None) -> None:
    """Writes the page, whatever can be learned: a report that fails would hide the failure.

    Args:
        workflow: the run's name in Kubernetes.
        state: how the steps ended, in KFP's words.
        report: Markdown file to write.
        pods: whom to ask; None: the cluster that this runs in.
    """
    if state == SUCCEEDED:
        write_file(report, "All steps did their work.\n")
        return
    try:
        found = (pods or Pods.of_this_cluster()).of_run(workflow)
    except StorageError as error:
        _log.warning("%s", error)
        write_file(report, _page(workflow, state, [str(error)]))
        return
    failed = _last_attempts(found)
    for attempts in failed:
        _log.info("%s failed: %s", attempts[-1].step, why(attempts[-1]))
    write_file(report, _page(workflow, state, [_section(attempts) for attempts in failed]))


def _last_attempts(pods: Sequence[Pod]) -> list[list[Pod]]:
    """By place in the graph, in the order of their beginning, the attempts at what did not succeed.

    An attempt that is still at work, as the exit handler itself, has not failed.
    """
    by_node: dict[str, list[Pod]] = {}
    for pod in pods:
        by_node.setdefault(pod.node, []).append(pod)
    return [attempts for attempts in by_node.values() if attempts[-1].failed]


def _page(workflow: str, state: str, sections: Sequence[str]) -> str:
    head = f"# The run {workflow} did not succeed\n\nKFP calls it {state}."
    if not sections:
        sections = [
            "None of its pods that are still there failed: it was stopped, or pods are gone, or "
            "KFP itself refused a step, which the dashboard shows at the step."
        ]
    return "\n\n".join([head, *sections]) + "\n"


def _section(attempts: Sequence[Pod]) -> str:
    last = attempts[-1]
    lines = [f"## {last.step}", f"**{last.step} failed:** {why(last)}"]
    if len(attempts) > 1:
        lines.append(f"It was tried {len(attempts)} times:")
        lines.append("\n".join(f"{n}. {why(pod)}" for n, pod in enumerate(attempts, start=1)))
    if tail := own_lines(last.log):
        lines += [f"The last lines of `{last.name}`:", _fenced(tail)]
    return "\n\n".join(lines)


def _fenced(lines: Sequence[str]) -> str:
    """The lines as they stand, in a fence that none of them can end."""
    longest = max((len(line) - len(line.lstrip("`")) for line in map(str.strip, lines)), default=0)
    fence = "`" * max(3, longest + 1)
    return "\n".join([f"{fence}text", *lines, fence])
