"""A small real pipeline for the tests of local runs: three steps that can be told to misbehave."""

from typing import NamedTuple

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Metrics, Output


@dsl.component(base_image="toy:1", install_kfp_package=False)
def make(text: str, made: Output[Dataset], metrics: Output[Metrics]) -> None:
    import sys
    from pathlib import Path

    Path(made.path).mkdir()
    (Path(made.path) / "text.txt").write_text(text, encoding="utf-8")
    metrics.log_metric("length", float(len(text)))
    sys.stdout.write(f"made {text}\n")


@dsl.component(base_image="toy:1", install_kfp_package=False)
def misbehave(made: Input[Dataset], how: str, kept: Output[Artifact]) -> None:
    import os
    import signal
    import subprocess
    import sys
    import time
    from pathlib import Path

    from edgedistill import logs
    from edgedistill.errors import DatasetError

    logs.configure("INFO")
    if how == "refuse":
        raise DatasetError("class 'cup' has 2 images; a split needs at least 3.")
    if how == "crash":
        raise ValueError("shapes (2,) and (3,) differ")
    if how == "crash long":
        raise ValueError("Detected at node\n[[{{node}}]] [Op:__inference]")
    if how == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if how.startswith("train "):
        from tests.toy_training import train

        train(Path(how.partition(" ")[2]))
    if how.startswith("deaf "):
        from tests.toy_training import tell_pid

        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        sys.stdout.write("asleep\n")
        tell_pid(Path(how.partition(" ")[2]), os.getpid())
        time.sleep(60)
    if how.startswith(("sleep ", "abandon ")):
        from tests.toy_training import tell_pid

        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        if how.startswith("sleep "):
            sys.stdout.write("asleep\n")
        tell_pid(Path(how.partition(" ")[2]), child.pid)
        if how.startswith("abandon "):
            raise RuntimeError("gone")
        time.sleep(60)
    Path(kept.path).write_text((Path(made.path) / "text.txt").read_text(encoding="utf-8"))


@dsl.component(base_image="toy:1", install_kfp_package=False)
def finish(kept: Input[Artifact], done: Output[Artifact]) -> None:
    from pathlib import Path

    Path(done.path).write_text(Path(kept.path).read_text().upper())


class Outputs(NamedTuple):
    made: Dataset
    kept: Artifact
    done: Artifact


@dsl.pipeline(name="toy")
def toy(text: str, how: str = "well") -> Outputs:
    first = make(text=text)
    second = misbehave(made=first.outputs["made"], how=how)
    third = finish(kept=second.outputs["kept"])
    return Outputs(first.outputs["made"], second.outputs["kept"], third.outputs["done"])


@dsl.component(base_image="toy:1", install_kfp_package=False)
def part(number: int, text: str, how: str, parted: Output[Dataset]) -> None:
    import subprocess
    import sys
    import time
    from pathlib import Path

    from edgedistill import logs
    from edgedistill.errors import DatasetError

    logs.configure("INFO")
    if how == f"refuse {number}":
        raise DatasetError(f"part {number} has no photos.")
    if number == 1 and how.startswith("sleep "):
        from tests.toy_training import tell_pid

        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        sys.stdout.write("asleep\n")
        tell_pid(Path(how.partition(" ")[2]), child.pid)
        time.sleep(60)
    Path(parted.path).write_text(f"{text}{number}", encoding="utf-8")


@dsl.component(base_image="toy:1", install_kfp_package=False)
def join(parts: Input[list[Dataset]], joined: Output[Dataset]) -> None:
    from pathlib import Path

    texts = [Path(part.path).read_text(encoding="utf-8") for part in parts]
    Path(joined.path).write_text(" ".join(texts), encoding="utf-8")


class LoopOutputs(NamedTuple):
    parts: list[Dataset]
    joined: Dataset


@dsl.pipeline(name="toy-loop")
def toy_loop(text: str, how: str = "well") -> LoopOutputs:
    with dsl.ParallelFor([0, 1, 2]) as number:
        parted = part(number=number, text=text, how=how).outputs["parted"]
    joined = join(parts=dsl.Collected(parted))
    return LoopOutputs(dsl.Collected(parted), joined.outputs["joined"])
