"""Why an attempt at a step failed, in one sentence that says what to do."""

import re
from collections.abc import Sequence

from edgedistill.errors import USER_ERROR_STATUS
from edgedistill.failure_report.pods import Pod
from edgedistill.settings import COMPONENT_SETTINGS, StepSettings, Trained

# Around a step's own lines stand those of KFP's launcher, of Argo, and of KFP's Python executor.
_OF_OTHERS = re.compile(
    r'[IWEF]\d{4} \d\d:\d\d:\d\d|time="[^"]*" level=|Error: exit status \d+$|\[KFP Executor'
)
_EXIT_STATUS = re.compile(r"failed to execute component: exit status (\d+)")
_KILLED = re.compile(r"failed to execute component: signal: killed")
_SIGKILL, _SIGTERM = 128 + 9, 128 + 15


def own_lines(log: Sequence[str]) -> list[str]:
    """A log's lines without those that KFP and Argo write around a step's own."""
    return [line for line in log if not _OF_OTHERS.match(line)]


def why(pod: Pod) -> str:
    """The sentence; what Kubernetes says of the whole pod goes before what the step said."""
    if pod.driven_out or pod.reason in ("Evicted", "Preempting", "NodeShutdown", "Terminated"):
        return (
            f"its node gave it up: {_sentence(pod.driven_out or pod.message or pod.reason)} A "
            "training goes on from its last saved state where it has a place to save to."
        )
    if pod.reason == "DeadlineExceeded":
        return "it took longer than its time limit: fewer epochs or photos, or a faster machine."
    if pod.waiting_for:
        return f"it could not start: {_sentence(pod.waiting_for)}"
    status = _exit_status(pod)
    if pod.exit_reason == "OOMKilled" or _matches(_KILLED, pod.log) or status == _SIGKILL:
        return _out_of_memory(pod)
    if status == _SIGTERM:
        return "it was stopped by SIGTERM."
    last = next((line for line in reversed(own_lines(pod.log)) if line.strip()), "")
    if status == USER_ERROR_STATUS and last:
        return last
    if status is None:
        return f"its pod failed before the step ended. {pod.reason} {pod.message}".strip()
    if last:
        return f"it ended with exit status {status}; its last line: {last}"
    return f"it ended with exit status {status} and said nothing. {pod.message}".strip()


def _out_of_memory(pod: Pod) -> str:
    limit = f" of {pod.memory_limit}" if pod.memory_limit else ""
    certain = "used" if pod.exit_reason == "OOMKilled" else "was killed; most likely it used"
    return f"it {certain} more memory than its limit{limit}: {_cure(pod.step)}."


def _cure(step: str) -> str:
    """Of a step that needs more memory. Only trainings have a limit that a run can set."""
    if issubclass(COMPONENT_SETTINGS.get(step, StepSettings), Trained):
        return "raise memory, or take a smaller batch_size"
    if step in ("scan", "scan_shard"):
        return "leave out larger photos by a smaller max_megapixels"
    return "its limit is fixed when the pipeline is compiled, in edgedistill/on_cluster.py"


def _exit_status(pod: Pod) -> int | None:
    """The step's own: KFP's launcher ends with 1 whatever it was, and writes it down."""
    found = _matches(_EXIT_STATUS, pod.log)
    return int(found[1]) if found else pod.exit_code


def _matches(pattern: re.Pattern[str], log: Sequence[str]) -> re.Match[str] | None:
    return next((found for line in reversed(log) if (found := pattern.search(line))), None)


def _sentence(text: str) -> str:
    text = " ".join(text.split())
    return text if text.endswith(".") else f"{text}."
