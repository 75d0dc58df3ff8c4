"""Memory that TensorFlow gave back stays with the process, for its next step.

A step of training takes and gives back gigabytes. Left alone, glibc maps each large tensor anew, so
that the kernel hands it out, zeroed, page by page: a quarter to two fifths of all processor time
of a training or an inference on CPUs. Kept in one heap it costs nothing, and the peak is lower.
"""

import ctypes
import sys

# From malloc.h.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX, _ARENA_MAX = -1, -2, -4, -8
_OPTIONS = {
    _MMAP_MAX: 0,  # no tensor is mapped by itself
    _TRIM_THRESHOLD: 2**31 - 1,  # what is free is kept
    _TOP_PAD: 2**26,
    _ARENA_MAX: 1,  # one heap for all threads: what one gave back serves another
}


def keep_freed_memory() -> bool:
    """Tells glibc so, before threads start; gives whether there is a glibc to tell.

    Other C libraries, such as those of macOS and Alpine, have no such choice: it does nothing.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and all(mallopt(*option) == 1 for option in _OPTIONS.items())
