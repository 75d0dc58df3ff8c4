"""Memory that is taken and given back again and again is asked of the system once."""

import subprocess
import sys

import pytest

_TOUCHES = """
import ctypes, resource
{first}
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]
def touch():
    place = libc.malloc(ctypes.c_size_t(100_000_000))
    ctypes.memset(place, 1, 100_000_000)
    libc.free(place)
touch()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    touch()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(first: str) -> int:
    """Of 5 times 100 MB, which are 5 * 24,414 pages of 4 KiB."""
    done = subprocess.run(
        [sys.executable, "-c", _TOUCHES.format(first=first)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return int(done.stdout)


def test_freed_memory_is_used_again_without_asking_the_system() -> None:
    keep = "from edgedistill.tf.heap import keep_freed_memory; told = keep_freed_memory()"
    if page_faults("") < 1000:
        pytest.skip("this system does not take freed memory away")
    assert page_faults(keep) < 100
