"""How often scan opens each photo and how often Pillow decodes: once and once.

    python -m tests.benchmarks.scan_reads [--photos FOLDER] [--limit 300]

Scans copies of some photos in a process of its own, in which, as in each of its workers, Python's
audit hook tells of every file that is opened, and Pillow's loader of every picture that is really
decoded (a loader that has nothing left to decode does not count). Exit status 1 where a photo is
opened or decoded more than once, or not at all.

Seen on 22 November 2026: 300 photos, each opened once and decoded once.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.benchmarks.scan_speed import copy_photos

# Python runs a module of this name at its start, in the workers too.
SITE = """
import os
import sys

_log = os.open(os.environ["READS_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
_root = os.environ["READS_ROOT"] + os.sep


def _opened(event, arguments):
    if event == "open" and isinstance(arguments[0], (str, bytes, os.PathLike)):
        place = os.fsdecode(arguments[0])
        if place.startswith(_root) and not os.path.isdir(place):
            os.write(_log, os.fsencode(f"open\\t{place}\\n"))


def _count_decoding():
    from PIL import ImageFile

    load = ImageFile.ImageFile.load

    def counted(image):
        if image.tile:
            os.write(_log, b"decode\\t" + str(os.getpid()).encode() + b"\\n")
        return load(image)

    ImageFile.ImageFile.load = counted


sys.addaudithook(_opened)
_count_decoding()
"""
SCAN = """
import sys

from edgedistill.scan.step import scan_photos
from edgedistill.settings import ScanSettings

data, out = sys.argv[1:]
settings = ScanSettings(data_dir=data)
scan_photos(out + "/catalog", out + "/scan.html", settings, n_workers=2)
"""


def scan_and_log(data: Path, folder: Path) -> list[tuple[str, str]]:
    """What was told: ("open", place) and ("decode", process id)."""
    (folder / "site").mkdir()
    (folder / "site" / "sitecustomize.py").write_text(SITE, encoding="utf-8")
    environment = {
        "PYTHONPATH": os.pathsep.join([str(folder / "site"), *filter(None, sys.path)]),
        "READS_LOG": str(folder / "log"),
        "READS_ROOT": str(data),
    }
    subprocess.run(
        [sys.executable, "-c", SCAN, str(data), str(folder)],
        env=os.environ | environment,
        check=True,
    )
    lines = os.fsdecode((folder / "log").read_bytes()).splitlines()
    return [(kind, rest) for kind, _, rest in (line.partition("\t") for line in lines)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    data = Path(__file__).parents[3] / "shared" / "data" / "clothing"
    parser.add_argument("--photos", type=Path, default=data)
    parser.add_argument("--limit", type=int, default=300)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        photos = copy_photos(arguments.photos, arguments.limit, folder / "photos")
        told = scan_and_log(folder / "photos", folder)
        opened = Counter(place for kind, place in told if kind == "open")
    times_opened = Counter(opened[str(photo)] for photo in photos)
    n_decoded = sum(kind == "decode" for kind, _ in told)
    lines = [f"{len(photos)} photos"]
    lines += [f"opened {times} x: {n} photos" for times, n in sorted(times_opened.items())]
    lines.append(f"decoded {n_decoded} times: {n_decoded / len(photos):.3f} a photo")
    print("\n".join(lines))  # noqa: T201
    sys.exit(set(times_opened) != {1} or n_decoded != len(photos))


if __name__ == "__main__":
    main()
