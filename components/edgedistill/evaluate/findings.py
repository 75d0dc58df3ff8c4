"""All that the test photos say of the file, beyond its answers, and the files that tell it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgedistill.artifacts import (
    CONFUSION_CSV,
    EVALUATION,
    GATE,
    LOGITS_FILE,
    METRICS,
    MODEL_FILE,
    PREDICTIONS,
    PREDICTIONS_CSV,
)
from edgedistill.core.metrics import confusion_matrix
from edgedistill.datasets import PackedDataset
from edgedistill.evaluate.baseline import Baseline
from edgedistill.evaluate.documents import evaluation_document, metrics_document
from edgedistill.evaluate.gate import BaselineAnswers, gate_document
from edgedistill.evaluate.judged import Judged
from edgedistill.evaluate.mistakes import write_mistakes
from edgedistill.evaluate.robustness import measure_robustness
from edgedistill.evaluate.slicing import slices_document
from edgedistill.evaluate.tables import write_confusion, write_predictions
from edgedistill.evaluate.unknown import UnknownAnswers, ask_about_unknown, write_unknown
from edgedistill.settings import EvaluateSettings


@dataclass(frozen=True)
class Findings:
    """What the models' answers, and more questions to the file, have shown.

    `models` are in the order of the waterfall, the file last; `matrix` is its confusion matrix,
    rows the truth. The dictionaries are parts of evaluation.json, and gate.json.
    """

    models: Sequence[Judged]
    matrix: NDArray[np.int64]
    slices: dict[str, Any]
    robustness: dict[str, Any] | None
    unknown: UnknownAnswers | None
    gate: dict[str, Any]

    def write(self, folder: Path, photos: PackedDataset) -> None:
        """Writes every document, table and picture of a mistake."""
        file, names = self.models[-1], photos.label_names
        PREDICTIONS.write(folder, {"data_digest": photos.split_digest})
        write_predictions(folder / PREDICTIONS_CSV, photos, file)
        np.save(folder / LOGITS_FILE, file.logits)
        write_confusion(folder / CONFUSION_CSV, self.matrix, names)
        if self.unknown is not None:
            write_unknown(folder, self.unknown, names)
        METRICS.write(folder, metrics_document(self.models, names, self.robustness))
        evaluation = evaluation_document(
            self.models,
            self.matrix,
            names,
            slices=self.slices,
            robustness=self.robustness,
            mistakes=write_mistakes(folder, photos, file.predicted, file.confidence),
            n_unknown=0 if self.unknown is None else len(self.unknown.photos),
        )
        EVALUATION.write(folder, evaluation)
        GATE.write(folder, self.gate)


def judge_file(
    photos: PackedDataset,
    models: Sequence[Judged],
    tflite: Path,
    baseline: Baseline | None,
    settings: EvaluateSettings,
) -> Findings:
    """Asks the file about damaged and unknown photos, the baseline about the test photos.

    Args:
        photos: the test photos.
        models: their answers, in the order of the waterfall, the file last.
        tflite: folder with the file.
        baseline: an earlier model that fits the photos.
        settings: limits, seed, how many photos are damaged.

    Raises:
        ArtifactError: packed photos beside the test photos are damaged or of another split.
    """
    file, model = models[-1], tflite / MODEL_FILE
    earlier = None
    if baseline is not None:
        named = baseline.logits(photos.student_pixels, photos.label_names).argmax(axis=1)
        earlier = BaselineAnswers(baseline.uri, named == photos.label_indices)
    return Findings(
        models=models,
        matrix=confusion_matrix(photos.label_indices, file.predicted, len(photos.label_names)),
        slices=slices_document(photos, file.right),
        robustness=measure_robustness(
            model, photos, file.right, n_most=settings.robustness_photos, seed=settings.seed
        ),
        unknown=ask_about_unknown(model, photos),
        gate=gate_document(file.right, earlier, settings),
    )
