"""The locked requirements of the images, held to what setup.cfg asks for."""

import configparser
import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

REPOSITORY = Path(__file__).parents[2]
FOLDER = REPOSITORY / "images" / "train"
LOCKS = ("requirements-cpu.txt", "requirements-gpu.txt")
EXTRAS = ("s3", "heic")
_PIN = re.compile(r"([a-z0-9.-]+)==(\S+) \\")


def entries(lock: str) -> list[str]:
    """A lock's entries, each with the hashes that follow its pin."""
    text = (FOLDER / lock).read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    return re.split(r"\n(?=\S)", "\n".join(lines))


def pins(lock: str) -> dict[str, Version]:
    found = [_PIN.match(entry) for entry in entries(lock)]
    return {m[1]: Version(m[2]) for m in found if m}


def wanted() -> list[Requirement]:
    config = configparser.ConfigParser()
    config.read(REPOSITORY / "setup.cfg")
    texts = [
        config["options"]["install_requires"],
        *(config["options.extras_require"][extra] for extra in EXTRAS),
    ]
    lines = [line.strip() for text in texts for line in text.splitlines()]
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


@pytest.mark.parametrize("lock", LOCKS)
@pytest.mark.parametrize("requirement", wanted(), ids=str)
def test_a_lock_satisfies_what_setup_cfg_requires(lock: str, requirement: Requirement) -> None:
    version = pins(lock).get(canonicalize_name(requirement.name))
    assert version is not None, f"{requirement.name} is not locked: run images/train/lock"
    assert version in requirement.specifier, "run images/train/lock"


@pytest.mark.parametrize("lock", [*LOCKS, "requirements-build.txt"])
def test_every_entry_is_a_pin_with_hashes_and_names_no_place(lock: str) -> None:
    for entry in entries(lock):
        pin, *hashes = [line.strip().removesuffix(" \\") for line in entry.splitlines()]
        assert re.fullmatch(r"[a-z0-9.-]+==[0-9][\w.]*", pin)
        assert hashes
        assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", h) for h in hashes), pin
    text = (FOLDER / lock).read_text(encoding="utf-8")
    assert not re.search(r"://|--index|--find|file:|(^|\s)/", text)


def test_the_gpu_lock_is_the_cpu_lock_and_the_libraries_of_cuda() -> None:
    cpu, gpu = pins(LOCKS[0]), pins(LOCKS[1])
    assert {name: gpu[name] for name in cpu} == cpu
    added = set(gpu) - set(cpu)
    assert {name for name in added if not name.startswith("nvidia-")} == set()
    assert {"nvidia-cudnn-cu12", "nvidia-cublas-cu12", "nvidia-nccl-cu12"} <= added


def test_what_builds_packages_is_the_one_that_is_installed() -> None:
    assert pins("requirements-build.txt") == {"setuptools": pins(LOCKS[0])["setuptools"]}
