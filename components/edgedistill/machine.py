"""What this process may use of the machine that it runs on."""

import math
import os
import platform
import resource
import sys
from pathlib import Path

_CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")
_PROCESSORS = Path("/proc/cpuinfo")
_GPUS = Path("/proc/driver/nvidia/gpus")


def available_cores(cpu_max: Path = _CPU_QUOTA) -> int:
    """Cores that this process may use: of the machine, its affinity and its container's quota.

    Args:
        cpu_max: "quota period" in microseconds, or "max period", as Linux writes it for cgroup v2.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    try:
        quota, period = cpu_max.read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return cores or 1
    if quota == "max":
        return cores or 1
    return max(1, min(cores or 1, math.ceil(int(quota) / int(period))))


def peak_memory_bytes() -> int:
    """The most memory that this process has held so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # Linux counts kibibytes


def processor_name(cpuinfo: Path = _PROCESSORS) -> str:
    """The processor as its maker calls it, which tells more than "x86_64"; that, elsewhere.

    Args:
        cpuinfo: "name : value" lines, as Linux writes them; ARM's name no model.
    """
    return _first_value(cpuinfo, "model name") or platform.processor() or platform.machine()


def gpu_names(folder: Path = _GPUS) -> list[str]:
    """The NVIDIA GPUs that this process sees, without asking TensorFlow; empty without a driver.

    Args:
        folder: has a folder a GPU with a file `information`, as NVIDIA's driver writes it.
    """
    return [_first_value(path, "Model") for path in sorted(folder.glob("*/information"))]


def _first_value(path: Path, name: str) -> str:
    """Of "name : value" lines; empty where there is none."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    pairs = (line.partition(":") for line in lines)
    return next((value.strip() for key, _, value in pairs if key.strip() == name), "")
