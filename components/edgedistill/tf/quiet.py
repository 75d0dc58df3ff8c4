"""Silence for native libraries that write to stderr past Python's logging."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator


@contextlib.contextmanager
def quiet_native_code() -> Iterator[None]:
    """Holds back what C++ code writes to stderr; shows it if the block fails.

    TensorFlow logs a dozen lines before its own log level counts, LiteRT one an interpreter.
    """
    sys.stderr.flush()
    with tempfile.TemporaryFile() as held:
        stderr = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(stderr, held.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
