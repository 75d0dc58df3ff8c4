"""Rules of the Dockerfile, read off the file."""

import configparser
import re
import subprocess
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
DOCKERFILE = REPOSITORY / "images" / "train" / "Dockerfile"


def instructions() -> list[tuple[str, str]]:
    """Keyword and rest of every instruction, its lines joined."""
    lines = DOCKERFILE.read_text(encoding="utf-8").splitlines()
    text = "\n".join(line for line in lines if not line.lstrip().startswith("#"))
    joined = re.sub(r"\\\n\s*", "", text)
    pairs = [line.split(None, 1) for line in joined.splitlines() if line.strip()]
    return [(keyword, rest) for keyword, rest in pairs]


def of(keyword: str) -> list[str]:
    return [rest for k, rest in instructions() if k == keyword]


def last_stage() -> list[tuple[str, str]]:
    found = instructions()
    start = max(number for number, (keyword, _) in enumerate(found) if keyword == "FROM")
    return found[start:]


def test_every_stage_starts_from_one_base_with_a_digest() -> None:
    keyword, base = instructions()[0]
    assert keyword == "ARG"
    assert re.fullmatch(r"BASE=python:3\.11-slim-bookworm@sha256:[0-9a-f]{64}", base)
    stages = {"packages"}
    for start in of("FROM"):
        source, *name = start.split(" AS ")
        assert source in {"${BASE}", *stages}
        stages.update(name)


def test_no_entrypoint_stands_before_the_command_of_kfp() -> None:
    assert of("ENTRYPOINT") == []


def test_the_user_is_numeric_not_root_and_the_last_one() -> None:
    assert [rest for keyword, rest in last_stage() if keyword == "USER"] == ["10001:10001"]
    after = [keyword for keyword, _ in last_stage()]
    assert not {"RUN", "COPY", "ADD"} & set(after[after.index("USER") :])


def test_bytecode_is_compiled_and_its_use_never_turned_off() -> None:
    runs = of("RUN")
    assert sum("compileall" in run for run in runs) == 2  # of the packages and of ours
    assert "PYTHONDONTWRITEBYTECODE" not in DOCKERFILE.read_text(encoding="utf-8")
    (env,) = [rest for keyword, rest in last_stage() if keyword == "ENV"]
    assert "PYTHONUNBUFFERED=1" in env.split()
    assert "HOME=/tmp" in env.split()
    assert "EDGEDISTILL_WEIGHTS=/opt/weights" in env.split()


def test_everything_from_an_index_is_hashed() -> None:
    installs = [run for run in of("RUN") if "pip " in run]
    assert len(installs) == 2
    assert all("--require-hashes" in run or "--no-index" in run for run in installs)
    assert all("--no-build-isolation" in run for run in installs)  # it would fetch unhashed ones
    assert all("--no-cache-dir" in run for run in installs)


def test_no_address_of_a_registry_or_an_index_stands_in_it() -> None:
    text = DOCKERFILE.read_text(encoding="utf-8")
    assert not re.search(r"https?://|\.(io|dev|com|org)/", text)
    assert not re.search(r"^# *syntax=", text, re.M)  # it is asked of a registry
    assert "apt-get" not in text


def test_labels_tell_version_and_revision_and_the_version_is_the_packages() -> None:
    config = configparser.ConfigParser()
    config.read(REPOSITORY / "setup.cfg")
    version = config["metadata"]["version"]
    assert f"VERSION={version}" in of("ARG")
    assert f"-t edgedistill-train:{version} ." in DOCKERFILE.read_text(encoding="utf-8")
    (labels,) = of("LABEL")
    for name in ("title", "description", "licenses", "version", "revision"):
        assert f"org.opencontainers.image.{name}=" in labels
    assert 'image.version="${VERSION}"' in labels
    assert 'image.revision="${REVISION}"' in labels


def test_the_context_holds_what_is_copied_and_little_else() -> None:
    allowed = {
        line[1:]
        for line in (REPOSITORY / ".dockerignore").read_text(encoding="utf-8").splitlines()
        if line.startswith("!")
    }
    for copy in of("COPY"):
        if not copy.startswith("--from="):
            for source in copy.split()[:-1]:
                assert any(source == a or source.startswith(f"{a}/") for a in allowed), source
    tracked = subprocess.run(
        ["git", "ls-files", "-z", *sorted(allowed)], cwd=REPOSITORY, capture_output=True, check=True
    ).stdout.split(b"\0")[:-1]
    n_bytes = sum((REPOSITORY / name.decode()).stat().st_size for name in tracked)
    assert n_bytes < 5_000_000
