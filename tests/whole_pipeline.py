"""The command line of a whole pipeline that is as small as it can be."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PHOTOS = ROOT.parent / "shared" / "data" / "trashnet"
PHOTOS_PER_CLASS = 20
N_UNKNOWN = 4
QUICK = {
    "teacher_arch": "efficientnet_lite2",
    "teacher_img_size": "96",
    "student_img_size": "96",
    "epochs_teacher": "1",
    "epochs_student": "1",
    "epochs_qat": "1",
    "batch_size": "16",
    # Of 12 validation photos, 3: one epoch on 96 photos proves no accuracy.
    "quant_max_drop": "0.25",
}


def command(data_dir: Path, output_dir: Path, **settings: str) -> list[str]:
    flags = {"data_dir": str(data_dir), "output_dir": str(output_dir), **QUICK, **settings}
    words = [word for name, value in flags.items() for word in (f"--{name}", value)]
    return [sys.executable, str(ROOT / "pipeline.py"), "run", *words]


def run(data_dir: Path, output_dir: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(data_dir, output_dir, **settings),
        capture_output=True, text=True, timeout=1500, check=False,
    )  # fmt: skip
