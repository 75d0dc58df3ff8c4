"""report.html: what a whole run came to, why, and what to do next."""

from collections.abc import Mapping
from typing import Any

from edgedistill.artifacts import CONFIDENCE_PNG, CONFUSION_PNG, RELIABILITY_PNG, THRESHOLD_PNG
from edgedistill.core.bounds import wilson_interval
from edgedistill.report.advice import next_steps, verdict
from edgedistill.report.page import Headline, Picture, Section, Table, render_page
from edgedistill.report.performance_section import performance_section
from edgedistill.report.plots import learning_curves
from edgedistill.report.quantisation_section import quantisation_section
from edgedistill.report.run_facts import RunFacts
from edgedistill.report.teacher_gain import gain_in_words, teacher_gain

_MAX_BAD_FILES = 50
_MAX_NARROW = 15
"""Classes whose table and matrix can stand side by side; of more, the weakest are shown first."""


def render_run_page(facts: RunFacts) -> str:
    """The final report as one self-contained HTML page below 2 MB."""
    sections = [
        Section("What to do next", bullets=next_steps(facts)),
        _models_section(facts),
        _threshold_section(facts),
        _classes_section(facts),
        quantisation_section(facts.quantization),
        performance_section(facts.performance),
        *_training_sections(facts),
        _photos_section(facts),
        _file_section(facts),
        _settings_section(facts),
        _provenance_section(facts),
    ]
    title = "Image classifier for phones: report of the run"
    return render_page(title, verdict(facts), sections, _headlines(facts))


def _headlines(facts: RunFacts) -> list[Headline]:
    metrics, threshold = facts.metrics, facts.threshold
    low, high = wilson_interval(metrics["top1"] * metrics["n_test"], metrics["n_test"])
    drop = 100 * (metrics["top1"] - metrics["top1_student"])
    return [
        Headline(
            _percent(metrics["top1"]),
            "int8 file, top-1",
            f"with 95% confidence {low:.1%} to {high:.1%}",
        ),
        Headline(
            _percent(metrics["top1_student"]),
            "float student, top-1",
            f"file minus student: {drop:+.1f} points",
        ),
        Headline(
            f"{threshold['recommended_threshold']:.2f}",
            "threshold",
            f"{threshold['test_coverage']:.1%} answered, "
            f"{_percent(threshold['test_accept_accuracy'])} of those right",
        ),
        Headline(
            _megabytes(facts.model["size_bytes"]),
            "size of the file",
            f"{facts.model['input']['width']} × {facts.model['input']['height']} px in, "
            f"{len(facts.manifest['classes'])} classes out",
        ),
    ]


def _models_section(facts: RunFacts) -> Section:
    def row(name: str, img_size_px: int | str, suffix: str) -> list[str]:
        values = [facts.metrics[f"{key}{suffix}"] for key in ("top1", "macro_f1", "ece")]
        accuracy, f1, ece = values
        return [name, f"{img_size_px}", _percent(accuracy), _percent(f1), f"{ece:.3f}"]

    student = facts.student
    archs, sizes_px = ([t[key] for t in facts.teachers] for key in ("arch", "img_size_px"))
    together = "teacher" if len(archs) == 1 else "teachers together"
    rows = [
        row(f"{together} ({', '.join(archs)})", ", ".join(map(str, sizes_px)), "_teacher"),
        row(f"student, float ({student['arch']})", student["img_size_px"], "_student"),
        row("student, int8 file", facts.model["input"]["width"], ""),
    ]
    gain = teacher_gain(facts.together, student["history"])
    alpha = facts.config["settings"]["distill_alpha"]
    return Section(
        "The three models on the same test photos",
        paragraphs=[
            "Top-1: share of photos whose class is named right. Macro-F1: the same care for every "
            "class, however rare. ECE, expected calibration error: mean gap between confidence and "
            "accuracy, 0 is perfect; the picture shows that of the int8 file.",
            *([] if gain is None else [gain_in_words(gain, alpha)]),
        ],
        images=[Picture(facts.images[RELIABILITY_PNG], "Accuracy against confidence")],
        table=Table(["model", "image, px", "top-1", "macro-F1", "ECE"], rows),
    )


def _threshold_section(facts: RunFacts) -> Section:
    images = [
        Picture(facts.images[THRESHOLD_PNG], "Accuracy and coverage over the threshold"),
        Picture(facts.images[CONFIDENCE_PNG], "Confidence of right and of wrong answers"),
    ]
    return Section(
        "When the app should say 'unknown'",
        paragraphs=[facts.threshold["calibration_notes"]],
        images=images,
    )


def _classes_section(facts: RunFacts) -> Section:
    per_class = sorted(facts.metrics["per_class"].items(), key=lambda item: item[1]["f1"])
    rows = [
        [
            name, _percent(c["f1"]), _percent(c["precision"]), _percent(c["recall"]),
            f"{c['support']:,}",
        ]
        for name, c in per_class
    ]  # fmt: skip
    header = ["class", "F1", "precision", "recall", "photos"]
    tables = [Table(header, rows[:_MAX_NARROW])]
    if rows[_MAX_NARROW:]:
        title = f"The other {len(rows) - _MAX_NARROW} classes"
        tables.append(Table(header, rows[_MAX_NARROW:], title=title, folded=True))
    matrix = Picture(facts.images[CONFUSION_PNG], "Confusion matrix", wide=len(rows) > _MAX_NARROW)
    return Section(
        "Classes, the weakest first",
        paragraphs=["Of the int8 file on the test photos; rows of the matrix are the truth."],
        tables=tables,
        images=[matrix],
    )


def _training_sections(facts: RunFacts) -> list[Section]:
    sections = []
    for title, document in (
        *((f"Training of the teacher ({t['arch']})", t) for t in facts.teachers),
        (f"Training of the student ({facts.student['arch']})", facts.student),
        ("Quantisation-aware fine-tuning", facts.quantization),
    ):
        history = document["history"]
        if history:
            picture = Picture(learning_curves(history), f"{title}: loss and accuracy", wide=True)
            sections.append(Section(title, images=[picture]))
    return sections


def _photos_section(facts: RunFacts) -> Section:
    manifest, counts = facts.manifest, facts.run["counts"]
    total = manifest["n_photos"]
    bad = [line.partition("\t")[::2] for line in facts.bad_files[:_MAX_BAD_FILES]]
    more = len(facts.bad_files) - len(bad)
    paragraphs = [
        f"{total:,} readable photos: {counts['train']:,} to train on, {counts['val']:,} to choose "
        f"epochs and the threshold on, {counts['test']:,} to report on. "
        f"{len(facts.bad_files):,} files are left out. scan_report.html tells more of them."
    ]
    if more > 0:
        paragraphs.append(f"bad_files.txt lists {more:,} more than the table below.")
    rows = [[name, f"{n:,}", _percent(n / total)] for name, n in manifest["classes"].items()]
    tables = [
        Table(["class", "photos", "share"], rows, title="Photos by class", folded=len(rows) > 12)
    ]
    if bad:
        tables.append(Table(["file", "reason"], bad, title="Files left out"))
    return Section("Photos", paragraphs=paragraphs, tables=tables)


def _file_section(facts: RunFacts) -> Section:
    entry, exit_ = facts.model["input"], facts.model["output"]
    rows = [
        ["file", facts.model["model_file"]],
        ["size", f"{_megabytes(facts.model['size_bytes'])} ({facts.model['size_bytes']:,} bytes)"],
        ["SHA-256", facts.model["sha256"]],
        ["made by", facts.quantization["method"]],
        ["input", f"{entry['dtype']}, {_quantisation(entry)}"],
        ["output", f"{exit_['dtype']}, {_quantisation(exit_)}"],
        ["tensors", _counts_text(facts.quantization["tensor_dtypes"])],
        ["operators", _counts_text(facts.quantization["operators"])],
        [
            "names the float student's class on",
            f"{facts.quantization['agreement']:.1%} of validation photos",
        ],
    ]
    return Section("The file", table=Table(["", ""], rows))


def _settings_section(facts: RunFacts) -> Section:
    rows = [[name, _setting_text(value)] for name, value in facts.config["settings"].items()]
    return Section(
        "Settings", table=Table(["setting", "value"], rows, title="All settings", folded=True)
    )


def _provenance_section(facts: RunFacts) -> Section:
    run = facts.run
    rows = [
        ["started", run["started_utc"]],
        ["finished", run["finished_utc"]],
        ["data", f"{facts.manifest['data_dir']}, SHA-256 {facts.manifest['digest']}"],
        ["seed", str(run["seed"])],
        ["git revision", run["git_revision"] or "–"],
        ["Python", run["python"]],
        *[
            [f"machine, {name.removesuffix('_bytes')}", _machine_text(name, value)]
            for name, value in run["machine"].items()
        ],
    ]
    reused = set(run["reused_steps"])
    seconds = [
        [step, f"{took:,.1f}", "from an earlier run" if step in reused else ""]
        for step, took in run["seconds"].items()
    ]
    packages = [[name, str(version)] for name, version in run["packages"].items()]
    return Section(
        "Where it comes from",
        tables=[
            Table(["", ""], rows),
            Table(["step", "seconds", ""], seconds, title="Time"),
            Table(["package", "version"], packages, title="Packages", folded=True),
        ],
    )


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.1%}"


def _megabytes(n_bytes: int) -> str:
    return f"{n_bytes / 1e6:.2f} MB"


def _quantisation(end: Mapping[str, Any]) -> str:
    rule = end["quantization"]
    return f"scale {rule['scale']:g}, zero point {rule['zero_point']}"


def _counts_text(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{n} {name}" for name, n in counts.items())


def _machine_text(name: str, value: Any) -> str:
    return f"{value / 1e9:.1f} GB" if name.endswith("_bytes") else str(value)


def _setting_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
