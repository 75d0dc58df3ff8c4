"""The step's page: the verdict, then every figure, then where the file fails."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edgedistill.artifacts import EVALUATION, GATE, METRICS
from edgedistill.evaluate.judged import TITLES
from edgedistill.report.page import (
    Exhibit,
    Gallery,
    Headline,
    Picture,
    Section,
    Shot,
    Table,
    exhibit_html,
    render_page,
)

# The dashboard shows pages below 2 MB; tables and the matrix need the rest.
_GALLERY_BYTES = 1_200_000
_CELL_PX = 190

Document = Mapping[str, Any]


def render_evaluation_page(folder: Path, confusion_png: bytes) -> str:
    """The page of what the step has written.

    Args:
        folder: with metrics.json, evaluation.json, gate.json and the mistakes' pictures.
        confusion_png: the confusion matrix.
    """
    metrics, told, gate = METRICS.read(folder), EVALUATION.read(folder), GATE.read(folder)
    sections = [
        _gate_section(gate),
        _models_section(told),
        _calibration_section(told, metrics),
        _mistakes_section(told, folder),
        _confusion_section(told, confusion_png),
        _classes_section(metrics),
        _slices_section(told),
        _robustness_section(told),
    ]
    return render_page(
        "Evaluation",
        _lead(metrics, told, gate),
        [section for section in sections if section is not None],
        _headlines(metrics, told),
    )


def _lead(metrics: Document, told: Document, gate: Document) -> str:
    verdict = "Do not ship: the gate is not met. " if not gate["ship"] else ""
    unknown = told["n_unknown"]
    return (
        f"{verdict}The int8 file is right on {metrics['top1']:.1%} of {metrics['n_test']:,} test "
        f"photos ({_interval(metrics['intervals']['top1'])}). Every interval here holds the true "
        f"value 95 times in 100."
        + (f" It was also asked about {unknown:,} photos of no class." if unknown else "")
    )


def _headlines(metrics: Document, told: Document) -> list[Headline]:
    intervals = metrics["intervals"]
    cards = [
        Headline(f"{metrics[name]:.1%}", label, _interval(intervals[name]))
        for name, label in (
            ("top1", "top-1"),
            ("macro_f1", "macro F1"),
            ("ece", "calibration error"),
        )
    ]
    if robustness := told["robustness"]:
        remark = f"undamaged {robustness['clean_top1']:.1%}, {robustness['n_photos']:,} photos"
        cards.append(Headline(f"{robustness['mean_top1']:.1%}", "top-1 when damaged", remark))
    return cards


def _gate_section(gate: Document) -> Section | None:
    paragraphs = list(gate["reasons"])
    if baseline := gate["baseline"]:
        paragraphs.append(
            f"The bundle {baseline['uri']} is right on {baseline['top1']:.2%} of the same photos "
            f"({_interval(baseline['top1_interval'])}). The file against it: "
            f"{_points(baseline['difference'])} ({_points_interval(baseline)}; {_p(baseline)})."
        )
    return Section("May it ship?", paragraphs=paragraphs) if paragraphs else None


def _models_section(told: Document) -> Section:
    models = Table(
        ["model", "top-1", "interval", "macro F1", "interval", "calibration error", "interval"],
        [
            [
                model["title"],
                *(
                    text
                    for figure in ("top1", "macro_f1", "ece")
                    for text in (
                        f"{model[figure]:.2%}",
                        _interval(model[f"{figure}_interval"]),
                    )
                ),
            ]
            for model in told["models"]
        ],
    )
    steps = Table(
        ["from", "to", "top-1", "interval", "lost", "won", "McNemar", "told from chance"],
        [
            [
                TITLES[row["from"]],
                TITLES[row["to"]],
                _points(row["difference"]),
                _points_interval(row),
                str(row["only_from_right"]),
                str(row["only_to_right"]),
                _p(row),
                "yes" if row["p_value"] < 1 - told["confidence_level"] else "no",
            ]
            for row in told["comparisons"]
        ],
        title="Differences on the same photos",
    )
    text = (
        "All models answered the same photos, so two are compared photo by photo: each with the "
        "one before it, then the student with its teacher and the file with the student. Lost: "
        "photos that only the first got right; won: only the second."
    )
    return Section("From the teacher to the file", paragraphs=[text], tables=[models, steps])


def _calibration_section(told: Document, metrics: Document) -> Section:
    tables = [
        Table(
            ["confidence", "photos", "mean confidence", "right", "interval"],
            [
                [
                    f"{row['low']:.3f} to {row['high']:.3f}",
                    f"{row['count']:,}",
                    f"{row['mean_confidence']:.1%}",
                    f"{row['accuracy']:.1%}",
                    _interval(row["accuracy_interval"]),
                ]
                for row in told["calibration"][kind]
                if row["count"]
            ],
            title=title,
            folded=True,
        )
        for kind, title in (
            ("equal_width", "Bins of equal width"),
            ("equal_mass", "Bins of as many photos each"),
        )
    ]
    text = (
        f"Confidence and share right lie {metrics['ece']:.2%} apart on average over bins of equal "
        f"width, {metrics['ece_equal_mass']:.2%} over bins of as many photos each. Brier score "
        f"{metrics['brier']:.4f} (0 is perfect, 2 the worst), mean loss {metrics['nll']:.4f} nats."
    )
    return Section("Does its confidence mean what it says?", paragraphs=[text], tables=tables)


def _mistakes_section(told: Document, folder: Path) -> Section | None:
    mistakes = told["mistakes"]
    if not mistakes:
        return None
    exhibits: list[Exhibit] = []
    room = _GALLERY_BYTES
    for mistake in mistakes:
        text = (
            f"{mistake['label_name']}, taken for {mistake['predicted_name']} with "
            f"{mistake['confidence']:.1%}"
        )
        picture = Picture((folder / mistake["image"]).read_bytes(), text)
        exhibit = Exhibit([Shot(picture)], text=f"{text}: {mistake['filepath']}")
        room -= len(exhibit_html(exhibit))
        if room < 0:
            break
        exhibits.append(exhibit)
    rows = [
        [m["label_name"], m["predicted_name"], f"{m['confidence']:.1%}", m["filepath"]]
        for m in mistakes
    ]
    table = Table(["true", "taken for", "confidence", "photo"], rows, title="All", folded=True)
    return Section(
        "The worst mistakes",
        paragraphs=["The wrong answers that the file was surest of, as the pixels that it saw."],
        tables=[table],
        galleries=[Gallery(exhibits, _CELL_PX)] if exhibits else [],
    )


def _confusion_section(told: Document, confusion_png: bytes) -> Section:
    pairs = Table(
        ["true", "taken for", "photos"],
        [[p["true"], p["predicted"], f"{p['count']:,}"] for p in told["confused_pairs"]],
        title="Most confused",
    )
    return Section(
        "Confusion",
        tables=[pairs] if pairs.rows else [],
        images=[Picture(confusion_png, "Confusion matrix", wide=True)],
    )


def _classes_section(metrics: Document) -> Section:
    by_f1 = sorted(metrics["per_class"].items(), key=lambda pair: float(pair[1]["f1"]))
    table = Table(
        ["class", "precision", "recall", "F1", "photos"],
        [
            [name, f"{c['precision']:.3f}", f"{c['recall']:.3f}", f"{c['f1']:.3f}",
             f"{c['support']:,}"]
            for name, c in by_f1
        ],
    )  # fmt: skip
    return Section("Classes, the weakest first", table=table)


def _slices_section(told: Document) -> Section | None:
    titles = {
        "size": "By the original's longer side",
        "brightness": "By mean brightness, 0 to 255",
        "folder": "By folder; * stands for the class",
    }
    tables = [
        Table(
            ["part", "photos", "top-1", "interval"],
            [
                [row["name"] or "(no folder)", f"{row['n_photos']:,}", f"{row['top1']:.1%}",
                 _interval(row["top1_interval"])]
                for row in told["slices"][kind]
            ],
            title=title,
        )
        for kind, title in titles.items()
        if told["slices"][kind]
    ]  # fmt: skip
    return Section("Parts of the test photos", tables=tables) if tables else None


def _robustness_section(told: Document) -> Section | None:
    robustness = told["robustness"]
    if robustness is None:
        return None
    table = Table(
        ["damage", "strength", "what is done", "photos", "undamaged", "top-1", "interval"],
        [
            [d["name"], str(d["strength"]), d["setting"], f"{d['n_photos']:,}",
             f"{d['clean_top1']:.1%}", f"{d['top1']:.1%}", _interval(d["top1_interval"])]
            for d in robustness["damages"]
        ],
    )  # fmt: skip
    text = (
        f"On {robustness['n_photos']:,} of the test photos, damaged as phones do: right on "
        f"{robustness['mean_top1']:.1%} as a plain mean, on {robustness['clean_top1']:.1%} as they "
        "were. Plain resize: another filter than the letterbox's, as some apps use."
    )
    return Section("Damaged photos", paragraphs=[text], table=table)


def _interval(ends: Sequence[float]) -> str:
    return f"{ends[0]:.1%} to {ends[1]:.1%}"


def _points(share: float) -> str:
    return f"{100 * share:+.2f} points"


def _points_interval(row: Document) -> str:
    low, high = row["difference_interval"]
    return f"{100 * low:+.2f} to {100 * high:+.2f}"


def _p(row: Document) -> str:
    return f"p = {row['p_value']:.2g}"
