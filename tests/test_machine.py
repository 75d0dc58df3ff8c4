import os
from pathlib import Path

import pytest

from edgedistill.machine import available_cores, gpu_names, processor_name


@pytest.mark.parametrize(
    ("cpu_max", "limit"),
    [("max 100000", 999), ("150000 100000", 2), ("50000 100000", 1), ("what?", 999), (None, 999)],
)
def test_cores_are_those_that_the_container_may_use(tmp_path, cpu_max, limit):
    quota = tmp_path / "cpu.max"
    if cpu_max is not None:
        quota.write_text(cpu_max)
    assert available_cores(quota) == min(limit, len(os.sched_getaffinity(0)))


def test_a_processor_has_its_makers_name(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(
        "processor\t: 0\nmodel\t\t: 143\nmodel name\t: Xeon(R) 8481C: 2.70GHz\n\n"
        "processor\t: 1\nmodel name\t: Xeon(R) 8481C: 2.70GHz\n"
    )
    assert processor_name(cpuinfo) == "Xeon(R) 8481C: 2.70GHz"


def test_a_processor_without_a_makers_name_has_its_architecture(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor\t: 0\nBogoMIPS\t: 50.00\n")
    architectures = {os.uname().machine}
    assert processor_name(cpuinfo) in architectures
    assert processor_name(tmp_path / "absent") in architectures


def test_gpus_are_read_from_their_driver_each_by_its_name(tmp_path: Path) -> None:
    for number in range(2):
        folder = tmp_path / f"0000:0{number}:00.0"
        folder.mkdir()
        (folder / "information").write_text("Model: \t\t NVIDIA A10\nIRQ:   \t\t 31\n")
    assert gpu_names(tmp_path) == ["NVIDIA A10", "NVIDIA A10"]
    assert gpu_names(tmp_path / "absent") == []
