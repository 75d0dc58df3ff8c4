"""A whole run's documents with any number of classes, whose figures are seldom the same twice."""

import dataclasses
import functools
import io
from itertools import pairwise
from typing import Any

import numpy as np
from PIL import Image

from edgedistill.presets import resolve
from edgedistill.report.run_facts import RunFacts
from tests import example_documents
from tests.example_documents import history

MODELS = {
    "teacher": "teacher",
    "student_without_teacher": "student without teacher",
    "student": "float student",
    "post_training": "post-training quantisation",
    "quantisation_aware": "quantisation-aware training",
    "file": "shipped file",
}
DAMAGES = ("blur", "motion", "dark", "bright", "noise", "JPEG", "tilt", "crop", "plain resize")


class Figures:
    """Figures with many decimals, drawn anew for each place, so that a mix-up is seen."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)

    def share(self, low: float = 0.5, high: float = 0.99) -> float:
        return float(self._rng.uniform(low, high))

    def interval(self, value: float, half: float = 0.04) -> list[float]:
        low, high = value - self.share(0.2, 1) * half, value + self.share(0.2, 1) * half
        return [max(0.0, low), min(1.0, high)]

    def count(self, low: int, high: int) -> int:
        return int(self._rng.integers(low, high))

    def with_interval(self, name: str, low: float = 0.5, high: float = 0.96) -> dict[str, Any]:
        value = self.share(low, high)
        return {name: value, f"{name}_interval": self.interval(value)}


def example_run(n_classes: int = 5, *, per_class: int = 20, suffix: str = "") -> RunFacts:
    """Documents that agree in what stands in two of them; every name ends in `suffix`."""
    figures = Figures(n_classes)
    names = [f"class {letters(n)}{suffix}" for n in range(n_classes)]
    confusion = confusion_of(n_classes, per_class)
    n_test = int(confusion.sum())
    models = [model(figures, name, title) for name, title in MODELS.items()]
    models[-1]["top1"] = float(np.trace(confusion)) / n_test
    models[-1]["top1_interval"] = figures.interval(models[-1]["top1"])
    return RunFacts(
        metrics=metrics(names, confusion, models),
        evaluation=evaluation(figures, names, confusion, models),
        gate={"ship": True, "reasons": [], "min_top1": 0.4321, "max_regression": 0.0123,
              "baseline": None},
        threshold=threshold(figures, n_test),
        curve=curve(figures),
        confusion=confusion.tolist(),
        mistakes={f"{n:04d}.webp": picture(n) for n in range(1, 13)},
        manifest={
            "data_dir": "photos", "splits": {}, "findings": {}, "n_photos": 10 * n_test,
            "n_bad_files": 0, "digest": "abc", "sizes_px": {"student": 240, "teacher": [300]},
            "classes": {name: figures.count(150, 250) for name in names},
        },
        config={"settings": resolve({"data_dir": "photos"})},
        run={
            "started_utc": "2026-01-01T10:00:00+00:00", "finished_utc": "2026-01-01T11:00:00+00:00",
            "python": "3.11.9", "packages": {"numpy": "2.4.6"}, "git_revision": None, "seed": 42,
            "machine": {"system": "Linux", "n_cpus": 2, "memory_bytes": 8_000_000_000},
            "counts": {"photos": 10 * n_test, "bad_files": 0, "classes": n_classes,
                       "train": 8 * n_test, "val": n_test + 3, "test": n_test},
            "seconds": {"scan": 4.2, "teacher": 1234.5}, "reused_steps": ["scan"],
        },
        model={
            "model_file": "model_qat_int8.tflite", "size_bytes": 4_512_344, "sha256": "f" * 64,
            "input": {"width": 240, "height": 240, "dtype": "int8",
                      "quantization": {"scale": 1.0, "zero_point": -128}},
            "output": {"dtype": "int8", "quantization": {"scale": 0.02, "zero_point": -3}},
        },
        teachers=[network("efficientnet_b3", names)],
        together={
            "archs": ["efficientnet_b3"], "val_accuracy": 0.93, "val_loss": 0.3,
            "label_review": {"judged_by": {"train": "heads of 5 folds", "val": "the teacher"},
                             "n_suspects": {"train": 0, "val": 0}},
        },
        label_review=[],
        student=network("efficientnet_lite1", names),
        plain_student=None,
        quantization=example_documents.quantization(history=history(0.9, 0.91, 0.91)),
        performance=example_documents.performance(),
        bad_files=[],
    )  # fmt: skip


def letters(n: int) -> str:
    """A number in letters, so that names hold no digits: aaa, aab, ..."""
    return "".join(chr(97 + n // 26**place % 26) for place in (2, 1, 0))


def network(arch: str, names: list[str]) -> dict[str, Any]:
    return {
        "arch": arch, "img_size_px": 240, "label_names": names, "weights": "imagenet",
        "weights_sha256": "0" * 64, "data_digest": "d", "history": history(0.8, 0.9, 0.9),
    }  # fmt: skip


def confusion_of(n_classes: int, per_class: int) -> np.ndarray:
    """Most photos of a class are right, the others fall on its neighbours and anywhere."""
    rng = np.random.default_rng(1)
    matrix = np.zeros((n_classes, n_classes), dtype=int)
    for true in range(n_classes):
        right = int(rng.integers(3 * per_class // 4, per_class + 1))
        matrix[true, true] = right
        for _ in range(per_class - right):
            near = (true + int(rng.integers(1, 4))) % n_classes
            matrix[true, near if rng.random() < 0.7 else int(rng.integers(n_classes))] += 1
    return matrix


def model(figures: Figures, name: str, title: str) -> dict[str, Any]:
    return {
        "name": name, "title": title, **figures.with_interval("top1", 0.88, 0.95),
        **figures.with_interval("macro_f1", 0.85, 0.95), **figures.with_interval("ece", 0.01, 0.1),
        "ece_equal_mass": figures.share(0.01, 0.1), "brier": figures.share(0.05, 0.3),
        "nll": figures.share(0.1, 0.9),
    }  # fmt: skip


def metrics(names: list[str], confusion: np.ndarray, models: list[Any]) -> dict[str, Any]:
    of = {m["name"]: m for m in models}
    keys = ("top1", "macro_f1", "ece")
    per_class = {}
    for at, name in enumerate(names):
        right, support, said = confusion[at, at], confusion[at].sum(), confusion[:, at].sum()
        precision, recall = right / max(1, said), right / max(1, support)
        per_class[name] = {
            "precision": float(precision),
            "recall": float(recall),
            "f1": float(2 * right / (support + said)),
            "support": int(support),
        }
    by_suffix = {"": "file", "_student": "student", "_teacher": "teacher"}
    suffixed = {f"{key}{s}": (of[name], key) for key in keys for s, name in by_suffix.items()}
    return {
        "n_test": int(confusion.sum()),
        **{figure: model[key] for figure, (model, key) in suffixed.items()},
        "confidence_level": 0.95,
        "intervals": {f: model[f"{key}_interval"] for f, (model, key) in suffixed.items()},
        **{key: of["file"][key] for key in ("ece_equal_mass", "brier", "nll")},
        "macro_precision": 0.91, "macro_recall": 0.91, "per_class": per_class,
    }  # fmt: skip


def comparison(figures: Figures, before: Any, after: Any) -> dict[str, Any]:
    difference = after["top1"] - before["top1"]
    only = figures.count(1, 30), figures.count(1, 30)
    return {
        "from": before["name"], "to": after["name"], "difference": difference,
        "difference_interval": [difference - figures.share(0.01, 0.03),
                                difference + figures.share(0.01, 0.03)],
        "only_from_right": only[0], "only_to_right": only[1],
        "p_value": 0.6 * figures.share(0.02, 1) ** 4,
    }  # fmt: skip


def bins(figures: Figures, edges: np.ndarray) -> list[dict[str, Any]]:
    """The first two are empty where the bins are of equal width."""
    rows: list[dict[str, Any]] = []
    for low, high in pairwise(edges):
        row: dict[str, Any] = {"low": float(low), "high": float(high), "count": 0}
        row |= dict.fromkeys(("mean_confidence", "accuracy", "accuracy_interval"))
        if high > 0.14:
            confidence = figures.share(low, high)
            accuracy = min(1.0, max(0.0, confidence - figures.share(-0.05, 0.08)))
            row |= {"count": figures.count(3, 300), "mean_confidence": confidence}
            row |= {"accuracy": accuracy, "accuracy_interval": figures.interval(accuracy, 0.1)}
        rows.append(row)
    return rows


def evaluation(
    figures: Figures, names: list[str], confusion: np.ndarray, models: list[Any]
) -> dict[str, Any]:
    cells = ((int(n), *place) for place, n in np.ndenumerate(confusion))
    wrong = sorted(
        (cell for cell in cells if cell[0] and cell[1] != cell[2]),
        key=lambda c: (-c[0], c[1], c[2]),
    )  # fmt: skip
    edges = np.linspace(0, 1, 21)
    clean = figures.share(0.9, 0.95)
    parts = {
        "size": ["to 480 px", "481 to 1,024 px", "1,025 px and more"],
        "brightness": ["to 81", "82 to 130", "131 and more"],
        "folder": ["kitchen", "a folder with quite a long name for a label", "others"],
    }
    return {
        "confidence_level": 0.95,
        "models": models,
        "comparisons": [comparison(figures, *pair) for pair in pairwise(models)],
        "calibration": {
            "equal_width": bins(figures, np.linspace(0, 1, 16)),
            "equal_mass": bins(figures, np.sort(np.append(1 - np.geomspace(0.01, 0.7, 15), 1))),
            "histogram": {"edges": edges.tolist(),
                          "right": [figures.count(0, 400) for _ in edges[1:]],
                          "wrong": [figures.count(0, 40) for _ in edges[1:]]},
        },
        "confused_pairs": [
            {"true": names[true], "predicted": names[said], "count": n}
            for n, true, said in wrong[:20]
        ],
        "slices": {
            by: [{"name": name, "n_photos": figures.count(20, 90), **figures.with_interval("top1")}
                 for name in part]
            for by, part in parts.items()
        },
        "robustness": {
            "n_photos": 487, "clean_top1": clean, "mean_top1": figures.share(0.7, 0.8),
            "damages": [
                {"name": name, "strength": strength, "setting": f"by {figures.count(2, 90)} px",
                 "n_photos": 487, "clean_top1": clean, **figures.with_interval("top1", 0.86, 0.95)}
                for name in DAMAGES for strength in (1, 2)
            ],
        },
        "mistakes": [
            {"filepath": f"{names[0]}/photo {n}.jpg", "label_name": names[0],
             "predicted_name": names[1], "confidence": figures.share(0.8, 0.99),
             "image": f"mistakes/{n:04d}.webp"}
            for n in range(1, 13)
        ],
        "n_unknown": 143,
    }  # fmt: skip


def threshold(figures: Figures, n_test: int) -> dict[str, Any]:
    def on_test(t: float, share: float) -> dict[str, Any]:
        n_accepted = round(n_test * share)
        right = figures.share(0.955, 0.97)
        return {
            "threshold": t, "n_accepted": n_accepted, "n_correct": round(n_accepted * right),
            "accept_accuracy": right, "accept_accuracy_interval": figures.interval(right),
            "coverage": share, "coverage_interval": figures.interval(share), "kept": True,
        }  # fmt: skip

    recommended, guaranteed = on_test(0.61, 0.8765), on_test(0.74, 0.7654)
    return {
        "recommended_threshold": 0.61, "calibration_notes": "The notes.",
        "target_accept_accuracy": 0.95, "min_coverage": 0.6, "penalty_incorrect": 3.0,
        "achieved_accept_accuracy": figures.share(0.95, 0.97),
        "achieved_coverage": figures.share(0.8, 0.9),
        "selection_method": "constraint_feasible", "grid_step": 0.01, "chosen_on": "validation",
        "n_val": n_test + 3,
        "test_accept_accuracy": recommended["accept_accuracy"],
        "test_coverage": recommended["coverage"], "n_test": n_test,
        "confidence_level": 0.95, "accept_accuracy_lower_bound": figures.share(0.9, 0.94),
        "guaranteed_threshold": 0.74,
        "guarantee": {
            "procedure": "Fixed-sequence testing", "lower_bound": figures.share(0.95, 0.96),
            "accept_accuracy": figures.share(0.96, 0.98), "coverage": figures.share(0.7, 0.8),
            "n_accepted": 77, "photos_missing": None, "note": "The note.",
        },
        "test": {"recommended": recommended, "guaranteed": guaranteed},
        "temperature": {
            "value": 1.2345,
            "ece_before": figures.share(0.05, 0.1), "ece_after": figures.share(0.01, 0.05),
            "nll_before": figures.share(0.4, 0.5), "nll_after": figures.share(0.3, 0.4),
        },
        "unknown": {
            "n_photos": 143, **figures.with_interval("accepted_share", 0.05, 0.09),
            "auroc": {"max_probability": figures.share(), "max_logit": figures.share(),
                      "energy": figures.share()},
            "best_score": "energy", "best_score_threshold": 3.4567,
            "best_score_known_accepted": figures.share(0.95, 0.96),
            **figures.with_interval("best_score_unknown_accepted", 0.05, 0.09),
        },
    }  # fmt: skip


def curve(figures: Figures) -> list[dict[str, float | None]]:
    """Coverage falls, accuracy rises, and the last thresholds accept nothing."""
    rows: list[dict[str, float | None]] = []
    for n in range(100):
        coverage = max(0.0, 1 - (n / 96) ** 4) * figures.share(0.999, 1)
        accuracy = 0.9 + 0.1 * (n / 100) ** 0.5 * figures.share(0.99, 1)
        rows.append({
            "threshold": n / 100, "coverage": coverage,
            "accept_accuracy": accuracy if coverage else None,
            "correct_accepted_rate": coverage * accuracy,
            "incorrect_accepted_rate": coverage * (1 - accuracy),
        })  # fmt: skip
    return rows


@functools.cache
def picture(seed: int, side: int = 240) -> bytes:
    """A lossless WebP file about as large as that of a photo: soft colours and a little noise."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8))
    soft = np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC), dtype=np.int16)
    noisy = np.clip(soft + rng.integers(-8, 9, soft.shape), 0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(noisy).save(file, "WEBP", lossless=True)
    return file.getvalue()


def good_run() -> RunFacts:
    """A run in which nothing stands out; tests change one thing of it."""
    run = example_run(3)
    names = ["cup", "fork", "plate"]
    score = {"precision": 0.9, "recall": 0.9, "f1": 0.9, "support": 40}
    shares = {"top1": 0.92, "top1_student": 0.925, "top1_teacher": 0.94}
    test = {**run.threshold["test"]["recommended"], "accept_accuracy": 0.955, "coverage": 0.88,
            "accept_accuracy_interval": [0.92, 0.98]}  # fmt: skip
    clean = run.evaluation["robustness"]["clean_top1"]
    damages = [{**damage, "top1": clean - 0.05, "top1_interval": [clean - 0.1, clean]}
               for damage in run.evaluation["robustness"]["damages"]]  # fmt: skip
    return dataclasses.replace(
        run,
        metrics={**run.metrics, **shares, "n_test": 200, "per_class": dict.fromkeys(names, score)},
        threshold={**run.threshold, "test": {**run.threshold["test"], "recommended": test}},
        evaluation={
            **run.evaluation,
            "comparisons": [{**c, "p_value": 0.5} for c in run.evaluation["comparisons"]],
            "confused_pairs": [],
            "robustness": {**run.evaluation["robustness"], "damages": damages},
        },
        manifest={**run.manifest, "classes": {"cup": 500, "fork": 700, "plate": 800}},
    )


def changed(part: str, run: RunFacts | None = None, **values: Any) -> RunFacts:
    """The run with other values in one of its documents."""
    run = run or good_run()
    changes: dict[str, Any] = {part: {**getattr(run, part), **values}}
    return dataclasses.replace(run, **changes)
