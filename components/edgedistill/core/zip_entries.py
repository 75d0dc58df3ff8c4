"""What an entry of a zip says of itself, so that the same files give the same zip."""

import zipfile

_EARLIEST = (1980, 1, 1, 0, 0, 0)
"""The format knows no earlier time; the files' own would differ from run to run."""
_UNIX, _READABLE_FILE = 3, 0o100644 << 16


def stored_entry(name: str) -> zipfile.ZipInfo:
    """An entry of fixed time, system and permissions, stored as it is.

    What deflate makes of a file depends on the build of zlib; of a model's weights it saves a
    fifth.

    Args:
        name: its place in the zip, with `/` between folders.
    """
    entry = zipfile.ZipInfo(name, _EARLIEST)
    entry.compress_type = zipfile.ZIP_STORED
    entry.create_system, entry.external_attr = _UNIX, _READABLE_FILE
    return entry
