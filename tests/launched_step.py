"""A step as it runs in a pod of KFP: the compiled component's own command, and who sends signals.

In the pod Argo's `argoexec emissary` is process 1. It starts KFP's launcher in a process group of
its own; the launcher starts the component's command, `sh -ec ... python3 -m kfp.dsl.executor_main`,
in the same group, and has no handler for signals. (Read in Argo Workflows 3.6 to 4.0, emissary.go,
and in KFP's launcher_v2.go; not seen on a cluster.) At the end of a pod's life

- Kubernetes sends SIGTERM to process 1, which sends it to the group: shell and Python get it, too;
- the launcher ends of it at once; process 1 looks each second whether it has, and ends as well;
- with process 1 the container ends: the kernel kills what is left in it.

Here the test is process 1, and a short Python program the launcher.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

STEPS = Path(__file__).parents[1] / "components" / "edgedistill"
# Runs its arguments as a command and ends as it does; SIGTERM ends it, as it ends a Go program.
LAUNCHER = "import subprocess, sys; sys.exit(subprocess.run(sys.argv[1:]).returncode)"
LOOKS_EVERY_S = 1.0


class LaunchedStep:
    """A step under way; its output goes to a file.

    `inputs` and `outputs` are places of artifacts by name; `settings` those that are not default.
    """

    def __init__(
        self,
        step: str,
        inputs: Mapping[str, Path],
        outputs: Mapping[str, Path],
        settings: Mapping[str, Any],
        log: Path,
    ):
        spec = yaml.safe_load((STEPS / step / "component.yaml").read_text(encoding="utf-8"))
        container = spec["deploymentSpec"]["executors"][f"exec-{step.replace('_', '-')}"][
            "container"
        ]
        definition = spec["components"][f"comp-{step.replace('_', '-')}"]
        defaults = {
            name: _as_sent(about["defaultValue"])
            for name, about in definition["inputDefinitions"]["parameters"].items()
            if "defaultValue" in about
        }
        executor_input = {
            "inputs": {
                "parameterValues": {**defaults, **settings},
                "artifacts": _artifacts(inputs, definition["inputDefinitions"]),
            },
            "outputs": {
                "artifacts": _artifacts(outputs, definition["outputDefinitions"]),
                "outputFile": str(log.with_suffix(".json")),
            },
        }
        command = [
            *container["command"],
            *(json.dumps(executor_input) if a == "{{$}}" else a for a in container["args"]),
        ]
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        with log.open("w", encoding="utf-8") as file:
            self._launcher = subprocess.Popen(
                [sys.executable, "-c", LAUNCHER, *command],
                stdout=file, stderr=subprocess.STDOUT, start_new_session=True,
                env={**os.environ, "PATH": path, "PYTHONUNBUFFERED": "1"},
            )  # fmt: skip

    def wait(self, timeout_s: float = 600) -> int:
        """The exit status of its own end."""
        return self._launcher.wait(timeout_s)

    def is_running(self) -> bool:
        return self._launcher.poll() is None

    def preempt(self) -> int:
        """Ends it as Kubernetes ends a pod; gives what the launcher ended of."""
        os.killpg(self._launcher.pid, signal.SIGTERM)
        while self.is_running():
            time.sleep(LOOKS_EVERY_S)
        self.kill()
        return self._launcher.returncode

    def kill(self) -> None:
        """Ends all of it at once, as the end of process 1 does."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._launcher.pid, signal.SIGKILL)
        self._launcher.wait()


def _as_sent(value: Any) -> Any:
    """KFP's JSON has no 42.0."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _artifacts(places: Mapping[str, Path], definitions: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: {
            "artifacts": [
                {
                    "name": name,
                    "uri": str(place),
                    "type": definitions["artifacts"][name]["artifactType"],
                    "metadata": {},
                }
            ]
        }
        for name, place in places.items()
    }
