"""The page takes the documents as the steps write them, also where there is little to tell."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from edgedistill.artifacts import EVALUATION, GATE, METRICS, THRESHOLD
from edgedistill.calibrate.answers import Answers
from edgedistill.calibrate.recommendation import VALIDATION, Evidence, recommendation_document
from edgedistill.core.threshold import threshold_curve
from edgedistill.evaluate.documents import evaluation_document, metrics_document
from edgedistill.evaluate.gate import gate_document
from edgedistill.evaluate.judged import Judged
from edgedistill.report.run_facts import RunFacts
from edgedistill.report.run_page import render_run_page
from edgedistill.settings import CalibrateSettings, EvaluateSettings
from tests.report.example_run import example_run
from tests.report.read_page import ReadPage


def answers(n_photos: int, n_classes: int, strength: float, seed: int) -> Answers:
    """Logits in which the true class stands out by `strength`."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n_photos) % n_classes
    logits = rng.normal(size=(n_photos, n_classes))
    logits[np.arange(n_photos), labels] += strength
    return Answers(logits, labels)


def real_run(folder: Path, n_photos: int, n_classes: int, strength: float) -> RunFacts:
    """A run whose documents on the file are the steps' own, written and read."""
    run = example_run(n_classes)
    names = list(run.metrics["per_class"])
    on_test = answers(n_photos, n_classes, strength, seed=1)
    noise = np.random.default_rng(4).normal(size=on_test.logits.shape)
    labels = np.asarray(on_test.label_indices, np.int64)
    models = [
        Judged.of(name, (on_test.logits + share * noise).astype(np.float32), labels, seed=1)
        for name, share in (("teacher", 1.0), ("student", 0.5), ("file", 0.0))
    ]
    matrix = np.zeros((n_classes, n_classes), dtype=np.int64)
    np.add.at(matrix, (on_test.label_indices, on_test.predicted_indices), 1)
    on_calib = answers(n_photos, n_classes, strength, seed=2)
    unknown = np.random.default_rng(3).normal(size=(7, n_classes))
    evidence = Evidence(on_calib, on_test, unknown, tuple(names), VALIDATION)
    curve = threshold_curve(on_calib.confidence, on_calib.correct)
    METRICS.write(folder, metrics_document(models, names, None))
    EVALUATION.write(folder, evaluation_document(
        models, matrix, names, slices={"size": [], "brightness": [], "folder": []},
        robustness=None, mistakes=[], n_unknown=7,
    ))  # fmt: skip
    GATE.write(folder, gate_document(on_test.correct, None, EvaluateSettings(min_top1=0.5)))
    settings = CalibrateSettings(threshold_per_class=True)
    THRESHOLD.write(folder, recommendation_document(evidence, settings))
    accuracy = [None if np.isnan(a) else float(a) for a in curve.accept_accuracy]
    return dataclasses.replace(
        run,
        metrics=METRICS.read(folder), evaluation=EVALUATION.read(folder), gate=GATE.read(folder),
        threshold=THRESHOLD.read(folder), confusion=matrix.tolist(),
        curve=[
            {"threshold": t, "coverage": c, "accept_accuracy": a}
            for t, c, a in zip(
                curve.threshold.tolist(), curve.coverage.tolist(), accuracy, strict=True
            )
        ],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("n_photos", "n_classes", "strength", "decision"),
    [
        (300, 5, 3.0, "Ship"),
        (1000, 50, 2.0, "Do not ship"),
        (400, 3, 50.0, "Ship"),  # never wrong
        (9, 3, -50.0, "Do not ship"),  # never right
        (1, 2, 9.0, "Ship"),
    ],
)
def test_the_steps_own_documents_become_a_page(tmp_path, n_photos, n_classes, strength, decision):
    run = real_run(tmp_path, n_photos, n_classes, strength)
    page = ReadPage(render_run_page(run))
    assert page.sections["top"].split("report of the run")[-1].strip().startswith(decision)
    charts = page.charts["When the app should say 'unknown'"]
    assert len(charts["Try a threshold"]["rows"]) == 100
