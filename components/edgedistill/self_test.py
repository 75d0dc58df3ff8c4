"""Whether this installation has all that the steps need: a line a check, offline, in seconds.

    python3 -m edgedistill.self_test [--downloaded_weights true|false]

Made for an image, run as hardened as a cluster may run it. Exit status 0: all is there; 1:
something is missing, and its line says what; 2: a flag is wrong.
"""

import functools
import importlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from edgedistill.arguments import SELF_TEST_OPTIONS, read_flags
from edgedistill.errors import USER_ERROR_STATUS, EdgedistillError
from edgedistill.settings import DOWNLOADED_NETWORKS

# The one program line that KFP starts a step by.
_STARTS_STEP = "python3 -m kfp.dsl.executor_main --help"
_PACKAGED_NETWORKS = ("efficientnet_lite1", "efficientnet_lite2")
_EXTRAS = ("boto3", "google.cloud.storage", "pillow_heif")
_START_WITHIN_S = 120

Check = Callable[[], str]
"""Gives what it found, for its line; raises where something is missing."""


class MissingError(Exception):
    """What a check did not find; the message is its line."""


def main(words: Sequence[str]) -> int:
    """Makes every check, also after one that fails; gives the exit status."""
    try:
        texts = read_flags(words, SELF_TEST_OPTIONS)
        given = {name: SELF_TEST_OPTIONS[name].parse(text) for name, text in texts.items()}
    except EdgedistillError as error:
        sys.stderr.write(f"{error}\n")
        return USER_ERROR_STATUS
    checks = checks_of(downloaded_weights=given.get("downloaded_weights", True) is True)
    failed = [name for name, check in checks.items() if not passes(name, check)]
    sys.stdout.write(f"{len(checks) - len(failed)} of {len(checks)} checks passed\n")
    return 1 if failed else 0


def checks_of(*, downloaded_weights: bool) -> dict[str, Check]:
    """All checks by name, in their order."""
    checks: dict[str, Check] = {
        "KFP starts a step": step_starts,
        "writable": writable,
        "steps": steps_import,
        "buckets and HEIC": extras_import,
    }
    for arch in (*_PACKAGED_NETWORKS, *DOWNLOADED_NETWORKS):
        required = downloaded_weights or arch in _PACKAGED_NETWORKS
        checks[f"weights {arch}"] = functools.partial(weights_load, arch, required=required)
    checks["int8 file"] = file_runs
    return checks


def passes(name: str, check: Check) -> bool:
    """Makes one check and writes its line; gives whether nothing is missing."""
    start = time.monotonic()
    try:
        outcome, found = "ok", check()
    except Exception as error:  # noqa: BLE001 - whatever it is, the other checks follow
        kind = "" if isinstance(error, MissingError | EdgedistillError) else type(error).__name__
        outcome, found = "FAILED", " ".join(f"{kind} {error}".split())
    seconds = time.monotonic() - start
    sys.stdout.write(f"{outcome:<6}  {name}: {found} ({seconds:.1f} s)\n")
    sys.stdout.flush()
    return outcome == "ok"


def step_starts() -> str:
    """`sh`, `python3` and kfp, in the way that KFP uses them."""
    done = subprocess.run(
        ["sh", "-c", _STARTS_STEP], capture_output=True, text=True, timeout=_START_WITHIN_S,
        check=False,
    )  # fmt: skip
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise MissingError(f"`{_STARTS_STEP}` ended with status {done.returncode}: {last}")
    return "sh, python3 and kfp"


def writable() -> str:
    """Home, for KFP's launcher, and the folder of temporary files."""
    places = (Path.home(), Path(tempfile.gettempdir()))
    for place in places:
        try:
            with tempfile.NamedTemporaryFile(dir=place) as file:
                file.write(b"x" * 4096)
        except OSError as error:
            raise MissingError(f"{place} cannot be written: {error.strerror}") from None
    return f"{', '.join(map(str, dict.fromkeys(places)))} by user {os.getuid()}"


def steps_import() -> str:
    """Every step, with all that it loads."""
    package = Path(__file__).parent
    names = sorted(path.parent.name for path in package.glob("*/step.py"))
    for name in names:
        importlib.import_module(f"edgedistill.{name}.step")
    return ", ".join(names)


def extras_import() -> str:
    """What reads from buckets, and photos of phones."""
    for name in _EXTRAS:
        importlib.import_module(name)
    return ", ".join(_EXTRAS)


def weights_load(arch: str, *, required: bool) -> str:
    """The ImageNet weights of a network, without asking anybody for them."""
    from edgedistill.tf.self_check import holds_weights, load_imagenet

    if holds_weights(arch):
        return f"{load_imagenet(arch) / 1e6:.1f} million numbers"
    if required:
        raise MissingError(
            "left out of the image, and without Internet no teacher starts from them: build it "
            "with DOWNLOADED_WEIGHTS=true, or pass --downloaded_weights false"
        )
    return "left out, as expected: such a teacher needs a download or a file"


def file_runs() -> str:
    """From a float network to an int8 file that says the same."""
    from edgedistill.tf.self_check import export_and_run

    return f"{export_and_run() / 1e3:.1f} kB, says what its float network says"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
