"""Fetches the ImageNet weights that no package brings, each checked by its checksum.

    python3 download_weights.py --wanted true|false FOLDER

Places and checksums are those of tf_keras.applications, which publishes MD5; a test holds them. To
take the files from a mirror: --from URL, the folder that they lie in.
"""

import argparse
import hashlib
import sys
import urllib.request
from dataclasses import dataclass
from pathlib import Path

_ANSWER_WITHIN_S = 60.0
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Download:
    """One file: its folder's URL, its name there and here, its checksum."""

    folder_url: str
    name: str
    md5: str


DOWNLOADS = (
    Download(
        "https://storage.googleapis.com/keras-applications/",
        "efficientnetb3_notop.h5",
        "af6d107764bb5b1abb91932881670226",
    ),
    Download(
        "https://storage.googleapis.com/tensorflow/keras-applications/resnet/",
        "resnet101_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "88cf7a10940856eca736dc7b7e228a21",
    ),
)


def main(words: list[str]) -> int:
    """Fetches all files or none; gives the exit status."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--wanted", choices=("true", "false"), required=True)
    parser.add_argument("--from", dest="mirror", metavar="URL")
    parser.add_argument("folder", type=Path)
    wanted = parser.parse_args(words)
    wanted.folder.mkdir(parents=True, exist_ok=True)
    if wanted.wanted == "false":
        sys.stdout.write("left out: " + ", ".join(d.name for d in DOWNLOADS) + "\n")
        return 0
    for download in DOWNLOADS:
        try:
            n_bytes = fetch(download, wanted.folder, wanted.mirror)
        except (OSError, ValueError) as error:
            sys.stderr.write(
                f"{download.name} could not be had: {error}. Without it: "
                "--build-arg DOWNLOADED_WEIGHTS=false\n"
            )
            return 1
        sys.stdout.write(f"{download.name}: {n_bytes / 1e6:.1f} MB, MD5 as expected\n")
    return 0


def fetch(download: Download, folder: Path, mirror: str | None = None) -> int:
    """Puts one file into `folder`, whole or not at all; gives its size in bytes.

    Raises:
        OSError: it cannot be read there, or not be written here.
        ValueError: it is another file than expected.
    """
    url = (mirror.rstrip("/") + "/" if mirror else download.folder_url) + download.name
    part = folder / f"{download.name}.part"
    digest = hashlib.md5(usedforsecurity=False)
    n_bytes = 0
    try:
        with urllib.request.urlopen(url, timeout=_ANSWER_WITHIN_S) as answer, part.open("wb") as to:
            while chunk := answer.read(_CHUNK_BYTES):
                digest.update(chunk)
                n_bytes += to.write(chunk)
        if digest.hexdigest() != download.md5:
            raise ValueError(f"{url} has MD5 {digest.hexdigest()}, not {download.md5}")
        part.chmod(0o644)
        part.rename(folder / download.name)
    finally:
        part.unlink(missing_ok=True)
    return n_bytes


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
