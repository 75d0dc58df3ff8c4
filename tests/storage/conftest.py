import pytest

from edgedistill.storage import buckets


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is tried again is tried again at once."""
    monkeypatch.setattr(buckets, "_FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(buckets, "_LONGEST_PAUSE_S", 0.02)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails again and again is given up after half a second."""
    monkeypatch.setattr(buckets, "RETRY_FOR_S", 0.5)
