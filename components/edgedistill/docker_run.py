"""A local run in containers of the image that a cluster takes: kfp.local's DockerRunner, mended.

It runs the compiled file. Beside loops and cache, which `local_run` replaces for every runner, one
more function of KFP is replaced: `run_docker_container` takes a container that ended before its log
was read for one that succeeded, leaves it running when this process is stopped, and does not tell
why it failed; ours does none of that.

Containers are held as tight as a cluster may hold pods, but for network and memory, which are this
machine's: no capabilities, nothing to write to but the steps' folders, a scratch folder and what is
to be written to, as this user.
"""

import contextlib
import functools
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kfp import components, local

from edgedistill.container_places import ContainerPlaces
from edgedistill.errors import ArtifactError, EdgedistillError
from edgedistill.processes import GRACE_S, Lines, deliver_stop_signals, stop_signals_held
from edgedistill.steps import Steps

_LABEL = "edgedistill.work_dir"
_BUILD_COMMAND = "docker build -f images/train/Dockerfile -t {image} ."
_ENVIRONMENT = """\
import json
from edgedistill.run_metadata import environment
print(json.dumps(environment()))
"""
# To all processes but the first, a shell, which would ignore it and waits for the step.
_ASK_TO_END = ["sh", "-c", "kill -TERM -1"]


def compiled_pipeline(path: Path) -> Any:
    """A compiled file as KFP loads it.

    Raises:
        ArtifactError: it is missing.
    """
    if not path.is_file():
        raise ArtifactError(
            f"{path} is missing: --runner docker runs the compiled pipeline, from a checkout of "
            "edgedistill; python pipeline.py compile writes it."
        )
    return components.load_component_from_file(str(path))


def images_of(pipeline: Any) -> list[str]:
    """The images that the steps of a compiled pipeline run in."""
    executors = pipeline.pipeline_spec.deployment_spec["executors"]
    return sorted({executors[name]["container"]["image"] for name in executors})


@dataclass(frozen=True)
class Image:
    """An image that the engine holds: its name, its digest there, what runs in it.

    `environment`: as `run_metadata.environment` gives it.
    """

    name: str
    digest: str
    environment: dict[str, Any]


class Engine:
    """The Docker engine that DOCKER_HOST names, or the one of this machine.

    Raises:
        EdgedistillError: there is none, or none that this user may use.
    """

    def __init__(self) -> None:
        try:
            import docker
        except ImportError:
            raise EdgedistillError(
                "--runner docker needs the Python package docker: pip install 'docker>=7'."
            ) from None
        self.docker = docker
        try:
            self.client = docker.from_env()
            self.info: dict[str, Any] = self.client.info()
        except docker.errors.DockerException as error:
            place = os.environ.get("DOCKER_HOST", "this machine")
            raise EdgedistillError(
                f"no Docker engine answers on {place} ({_short(error)}): start it, name another "
                "by DOCKER_HOST, or leave out --runner docker."
            ) from None

    def image(self, name: str) -> Image:
        """The image of this name, tried out: that it starts, and what is in it.

        Raises:
            EdgedistillError: it is not there, or a container of it does not start.
        """
        errors = self.docker.errors
        try:
            digest = str(self.client.images.get(name).id)
            said = self.client.containers.run(
                digest, ["python3", "-c", _ENVIRONMENT], remove=True, network_mode="none",
                user=self.user(), environment={"HOME": "/tmp"},
            )  # fmt: skip
        except errors.ImageNotFound:
            build = _BUILD_COMMAND.format(image=name)
            raise EdgedistillError(
                f"the Docker engine holds no image {name}; build it: {build}"
            ) from None
        except (errors.ContainerError, errors.APIError) as error:
            raise EdgedistillError(
                f"a container of the image {name} does not start: {_short(error)}"
            ) from None
        environment: dict[str, Any] = json.loads(said)
        revision = "org.opencontainers.image.revision"
        environment["git_revision"] = self.client.images.get(name).labels.get(revision) or None
        return Image(name, digest, environment)

    @property
    def gives_gpus(self) -> bool:
        """Whether it can show GPUs to a container."""
        return "nvidia" in self.info.get("Runtimes", {})

    def user(self) -> str:
        """Whom a container runs as, so that what it writes is this user's."""
        if any("rootless" in option for option in self.info.get("SecurityOptions") or []):
            return "0:0"  # the engine itself runs as this user, whom containers know as root
        return f"{os.getuid()}:{os.getgid()}"


class Containers:
    """The steps of one run as containers: a `local_run.Place`.

    Args:
        engine: where they run.
        image: what they all run in.
        places: what they see of this machine.
        work_dir: of the run, absolute.
    """

    def __init__(self, engine: Engine, image: Image, places: ContainerPlaces, work_dir: Path):
        self._engine = engine
        self._image = image
        self._places = places
        self._work_dir = work_dir

    def runner(self) -> Any:
        """KFP's runner, with all that is the same for every step."""
        types = self._engine.docker.types
        arguments: dict[str, Any] = {
            "user": self._engine.user(),
            "read_only": True,
            "tmpfs": {"/tmp": "size=64m,mode=1777"},
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges"],
            "network_mode": "host",  # as of a process: a bucket's server may be on this machine
            "environment": dict(self._places.variables),
            "labels": {_LABEL: str(self._work_dir)},
            "mounts": [
                types.Mount(str(p), str(p), type="bind", read_only=p not in self._places.written)
                for p in (*self._places.read, *self._places.written)
            ],
        }
        if self._engine.gives_gpus:
            all_gpus = types.DeviceRequest(count=-1, capabilities=[["gpu"]])
            arguments["device_requests"] = [all_gpus]
        return local.DockerRunner(**arguments)

    @contextlib.contextmanager
    def starting(self, steps: Steps) -> Iterator[None]:
        """Lets `steps` start the containers, in place of KFP; see `local_run.Place`."""
        from kfp.local import docker_task_handler as handler

        def run_docker_container(
            client: Any, image: str, command: list[str], volumes: Any, **arguments: Any
        ) -> int:
            variables = arguments.pop("environment", {})
            launch = functools.partial(self._launch, arguments={**arguments, "volumes": volumes})
            return steps.run(command, variables, launch)

        self._remove_left_over()
        before = handler.run_docker_container
        handler.run_docker_container = run_docker_container
        try:
            yield
        finally:
            handler.run_docker_container = before

    def _launch(
        self,
        command: Sequence[str],
        variables: Mapping[str, str],
        lines: Lines,
        on_wait: Callable[[], None],
        *,
        arguments: Mapping[str, Any],
    ) -> int:
        """Runs one container to its end; see `steps.Launch`. Leaves nothing, however it ends."""
        scratch = variables["TMPDIR"]
        homes = {"HOME": scratch, "MPLCONFIGDIR": scratch, "XDG_CACHE_HOME": scratch}
        mount = self._engine.docker.types.Mount(scratch, scratch, type="bind")
        with stop_signals_held():
            container = self._engine.client.containers.create(
                self._image.digest,
                list(command),
                environment={**variables, **homes},
                **{**arguments, "mounts": [*arguments["mounts"], mount]},
            )
        try:
            deliver_stop_signals()
            container.start()
            for chunk in container.logs(stream=True, follow=True):
                lines.feed(chunk)
            lines.close()
            return int(container.wait()["StatusCode"])
        finally:
            with stop_signals_held():
                self._end(container, on_wait)

    def _end(self, container: Any, on_wait: Callable[[], None]) -> None:
        """Ends a container, asked first where it still runs, and removes it."""
        errors = self._engine.docker.errors
        with contextlib.suppress(errors.NotFound):
            container.reload()
            if container.status == "running":
                on_wait()
                with contextlib.suppress(errors.APIError):
                    container.exec_run(_ASK_TO_END)
                with contextlib.suppress(Exception):  # it did not end in time: it is killed below
                    container.wait(timeout=GRACE_S)
            container.remove(force=True)

    def _remove_left_over(self) -> None:
        """Ends what a run that was killed left at work in this folder."""
        found = {"label": f"{_LABEL}={self._work_dir}"}
        for container in self._engine.client.containers.list(all=True, filters=found):
            self._end(container, lambda: None)


def _short(error: Exception) -> str:
    return " ".join(str(getattr(error, "explanation", None) or error).split())
