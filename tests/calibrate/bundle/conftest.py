from pathlib import Path

import pytest

from edgedistill.calibrate.bundle.contents import write_contents
from tests.calibrate.bundle.model_folder import (
    full_threshold_document,
    gate_document,
    scores_document,
    write_model_folder,
)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tuple[str, ...]]:
    """A whole bundle of the tiny network, and the places that were said to be in it."""
    folder = tmp_path_factory.mktemp("made")
    bundle = folder / "bundle"
    bundle.mkdir()
    given = write_contents(
        bundle,
        tflite=write_model_folder(folder / "tflite"),
        threshold=full_threshold_document(),
        scores=scores_document(),
        gate=gate_document(),
        version="3.1",
    )
    return bundle, given


@pytest.fixture(scope="session")
def made_bundle(made: tuple[Path, tuple[str, ...]]) -> Path:
    """The bundle alone; do not change it."""
    return made[0]
