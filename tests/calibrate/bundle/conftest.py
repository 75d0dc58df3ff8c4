from pathlib import Path

import pytest

from edgedistill.calibrate.bundle.contents import write_contents
from tests.calibrate.bundle.model_folder import (
    scores_document,
    threshold_document,
    write_model_folder,
)


@pytest.fixture(scope="session")
def made_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole bundle of the tiny network; do not change it."""
    folder = tmp_path_factory.mktemp("made")
    bundle = folder / "bundle"
    bundle.mkdir()
    write_contents(
        bundle,
        tflite=write_model_folder(folder / "tflite"),
        threshold=threshold_document(),
        scores=scores_document(),
        version="3.1",
    )
    return bundle
