import os

import pytest

from edgedistill.machine import available_cores


@pytest.mark.parametrize(
    ("cpu_max", "limit"),
    [("max 100000", 999), ("150000 100000", 2), ("50000 100000", 1), ("what?", 999), (None, 999)],
)
def test_cores_are_those_that_the_container_may_use(tmp_path, cpu_max, limit):
    quota = tmp_path / "cpu.max"
    if cpu_max is not None:
        quota.write_text(cpu_max)
    assert available_cores(quota) == min(limit, len(os.sched_getaffinity(0)))
