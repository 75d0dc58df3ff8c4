"""Lists of SHA-256 beside files."""

from pathlib import Path

import pytest

from edgedistill.errors import StorageError
from edgedistill.file_sums import SUMS_FILE, read_sums


def test_a_list_that_the_system_does_not_give_is_refused_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / SUMS_FILE).mkdir()  # a folder: root too cannot read it as a file
    with pytest.raises(StorageError, match=r"SHA256SUMS cannot be read: Is a directory\.$"):
        read_sums(tmp_path)
