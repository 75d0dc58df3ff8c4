"""What a run in containers lets them see of this machine: folders, files, variables."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from edgedistill.declaration import Value
from edgedistill.settings import TeacherSettings

_READ = ("data_dir", "unknown_uri", "student_weights", "baseline_uri")
_WRITTEN = ("checkpoint_uri", "export_uri")
_MANIFESTS = (".csv", ".jsonl")
# What the clients of buckets go by; a file that one names is shown to the containers too.
_VARIABLES = (
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_REGION",
    "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_CA_BUNDLE",
    "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "GOOGLE_APPLICATION_CREDENTIALS",
    "GOOGLE_CLOUD_PROJECT", "CLOUDSDK_CONFIG", "STORAGE_EMULATOR_HOST", "HTTP_PROXY", "HTTPS_PROXY",
    "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
)  # fmt: skip
# Where the clients look in a home, and the variable that tells them so in a container.
_IN_HOME = {
    "AWS_CONFIG_FILE": Path(".aws", "config"),
    "AWS_SHARED_CREDENTIALS_FILE": Path(".aws", "credentials"),
    "CLOUDSDK_CONFIG": Path(".config", "gcloud"),
}


@dataclass(frozen=True)
class ContainerPlaces:
    """Absolute places, at which containers see them too, and variables that they get."""

    read: tuple[Path, ...]
    written: tuple[Path, ...]
    variables: Mapping[str, str]


def container_places(settings: Mapping[str, Value], home: Path | None = None) -> ContainerPlaces:
    """What the steps need for these settings, and no more; folders to be written to are made.

    Logins of buckets are shown only where a setting names a bucket.

    Args:
        settings: every setting with its value, places made absolute.
        home: where the clients of buckets look for logins; None: this user's.
    """
    weights = TeacherSettings.choose(settings).teacher_starts
    read = [Path(place) for place in (*(str(settings[n]) for n in _READ), *weights)]
    written = [Path(str(settings[name])) for name in _WRITTEN]
    variables: dict[str, str] = {}
    if any("://" in str(value) for value in settings.values()):
        variables = _logins(home or Path.home())
        read.extend(Path(value) for value in variables.values())
    made = [place for place in written if place.is_absolute()]
    for folder in made:
        folder.mkdir(parents=True, exist_ok=True)
    # A place that is both is mounted once, to be written to.
    alone = (place for place in map(_with_photos, read) if place not in made)
    return ContainerPlaces(tuple(_outermost(alone)), tuple(dict.fromkeys(made)), variables)


def _with_photos(place: Path) -> Path:
    """The folder of a manifest, which names photos beside it; anything else as it is."""
    return place.parent if place.suffix in _MANIFESTS else place


def _outermost(places: Iterator[Path]) -> Iterator[Path]:
    """Those that are there on this machine, each once, none of them inside another."""
    there = sorted({place for place in places if place.is_absolute() and place.exists()})
    for number, place in enumerate(there):
        if not any(place.is_relative_to(outer) for outer in there[:number]):
            yield place


def _logins(home: Path) -> dict[str, str]:
    found = {name: os.environ[name] for name in _VARIABLES if name in os.environ}
    for name, place in _IN_HOME.items():
        if name not in found and (home / place).exists():
            found[name] = str(home / place)
    return found
