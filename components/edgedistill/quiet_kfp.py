"""What KFP prints, logs and warns of is for its own developers: it is swallowed here."""

import contextlib
import io
import warnings
from collections.abc import Iterator


@contextlib.contextmanager
def kfp_silenced() -> Iterator[None]:
    """Swallows it for the length of the block; our console keeps the real stdout."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
