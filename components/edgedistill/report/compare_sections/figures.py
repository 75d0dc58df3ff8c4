"""What each of several runs is worth by itself, side by side, as parts of a page."""

from collections.abc import Sequence

from edgedistill.report.charts import Chart, Measured, interval_panel
from edgedistill.report.comparison_facts import ComparedRun, ComparisonFacts, Estimate, ModelFigures
from edgedistill.report.comparison_words import (
    NO_VALUE,
    by_run,
    levels_text,
    listed,
    percent,
    share_text,
    unbroken,
)
from edgedistill.report.page import Section, Table


def files_section(facts: ComparisonFacts) -> Section:
    """The headline figures of the file that ships, with intervals, as charts and as a table."""
    level = levels_text(facts)
    paragraphs = [
        "Of the file that ships, on the test photos of its own run. Top-1: share of photos whose "
        "class is named right. Macro-F1: the same care for every class, however rare. ECE, Brier "
        "score and NLL say how far confidence can be trusted; of these, less is better. In "
        f"brackets: intervals at {level} confidence, each of its run by itself; whether two runs "
        "differ is better read off the same photos, in the next section."
    ]
    if others := [p.run.name for p in facts.pairs if not p.same_photos(facts.first)]:
        paragraphs.append(
            f"Not the same test photos as those of '{facts.first.name}': {listed(others)}. Part of "
            "the difference is that of the photos."
        )
    files = [run.file for run in facts.runs]
    rows = {
        "top-1": [share_text(file.top1) for file in files],
        "macro-F1": [share_text(file.macro_f1) for file in files],
        "ECE": [f"{f.ece.value:.3f} ({f.ece.low:.3f} to {f.ece.high:.3f})" for f in files],
        "ECE, bins of equal mass": [f"{file.ece_equal_mass:.3f}" for file in files],
        "Brier score": [f"{file.brier:.3f}" for file in files],
        "NLL": [f"{file.nll:.3f}" for file in files],
        **_robustness_rows(facts.runs),
    }
    charts = [
        _interval_chart(facts, "top1", "Top-1", "the share of test photos named right"),
        _interval_chart(facts, "macro_f1", "Macro-F1", "the mean F1 of all classes"),
    ]
    return Section("The int8 files", paragraphs, charts=charts, table=by_run(facts.runs, rows))


def _robustness_rows(runs: Sequence[ComparedRun]) -> dict[str, list[str]]:
    """Nothing where no run asked for damaged photos."""
    found = [run.robustness for run in runs]
    if not any(found):
        return {}
    return {
        "top-1 of damaged photos": [NO_VALUE if r is None else percent(r.mean_top1) for r in found],
        "the same, undamaged": [
            NO_VALUE if r is None else f"{percent(r.clean_top1)} of {r.n_photos:,}" for r in found
        ],
    }


def _interval_chart(facts: ComparisonFacts, figure: str, title: str, what: str) -> Chart:
    found = [(run.name, getattr(run.file, figure)) for run in facts.runs]
    rows = [
        Measured(name, e.value, (e.low, e.high), f"{name}: {share_text(e)}", _colour(i))
        for i, (name, e) in enumerate(found)
    ]
    level = levels_text(facts)
    return Chart(
        title=f"{title} of each run's int8 file",
        alt=f"For each run {what} by its int8 file, with its interval at {level} confidence.",
        data=[interval_panel(rows, label=title, reference=found[0][1].value)],
        header=["run", title, "low", "high"],
        rows=[[name, percent(e.value), percent(e.low), percent(e.high)] for name, e in found],
        caption=f"Lines: intervals at {level} confidence. Broken line: {facts.first.name}.",
    )


def _colour(position: int) -> str:
    """The first run has a colour of its own."""
    return "var(--c2)" if position == 0 else "var(--c1)"


def models_section(facts: ComparisonFacts) -> Section:
    """Top-1 and macro-F1 of every model, a column a run."""
    titles: dict[str, str] = {}
    for run in facts.runs:
        titles |= {model.name: model.title for model in run.models if model.name not in titles}
    by_run = [{model.name: model for model in run.models} for run in facts.runs]

    def table(title: str, figure: str) -> Table:
        rows = [
            [title, *(_model_cell(models.get(name), figure) for models in by_run)]
            for name, title in titles.items()
        ]
        return Table(["model", *(run.name for run in facts.runs)], rows, title=title)

    return Section(
        "Every model of each run",
        paragraphs=["On the test photos of its own run, with intervals."],
        tables=[table("Top-1", "top1"), table("Macro-F1", "macro_f1")],
    )


def _model_cell(model: ModelFigures | None, figure: str) -> str:
    return NO_VALUE if model is None else unbroken(share_text(getattr(model, figure)))


def threshold_section(facts: ComparisonFacts) -> Section:
    """The recommended threshold, what it comes to, and from which on it is guaranteed."""
    found = [run.threshold for run in facts.runs]
    rows = {
        "threshold": [f"{t.recommended:.2f}" for t in found],
        "test photos answered": [share_text(t.coverage) for t in found],
        "of these right": [_share_or_none(t.accept_accuracy) for t in found],
        "wanted": [percent(t.target) for t in found],
        "reached": [NO_VALUE if t.kept is None else "yes" if t.kept else "no" for t in found],
        "guaranteed from": [
            NO_VALUE if t.guaranteed is None else f"{t.guaranteed:.2f}" for t in found
        ],
        "photos missing for that": [
            NO_VALUE if t.photos_missing is None else f"{t.photos_missing:,}" for t in found
        ],
    }
    if any(t.unknown_accepted for t in found):
        rows["unknown photos answered"] = [_share_or_none(t.unknown_accepted) for t in found]
    return Section(
        "When the app says 'unknown'",
        paragraphs=[
            "Recommended threshold, and what it comes to on the run's own test photos, with "
            f"intervals at {levels_text(facts)} confidence. Guaranteed from: the threshold from "
            "which on the wanted share is proven; where there is none, how many more accepted "
            "photos without a further error that would take, if any number would do."
        ],
        table=by_run(facts.runs, rows),
    )


def _share_or_none(estimate: Estimate | None) -> str:
    return NO_VALUE if estimate is None else share_text(estimate)


def speed_section(facts: ComparisonFacts) -> Section:
    """Size, estimate for a phone, and what was measured."""
    runs = facts.runs
    threads = dict.fromkeys(n for run in runs for n in run.speed.latency_ms)

    def latency(run: ComparedRun, n_threads: str, which: int) -> str:
        times = run.speed.latency_ms.get(n_threads)
        return NO_VALUE if times is None else f"{times[which]:,.2f}"

    rows = {
        "size, MB": [f"{run.speed.size_bytes / 1e6:,.2f}" for run in runs],
        "input, px": [f"{run.speed.width_px} × {run.speed.height_px}" for run in runs],
        "million multiply-adds": [f"{run.speed.multiply_adds / 1e6:,.0f}" for run in runs],
        **_estimate_rows(runs),
    }
    for n in threads:
        who = f"measured, {n} thread{'' if n == '1' else 's'}"
        rows[f"{who}, median, ms"] = [latency(run, n, 0) for run in runs]
        rows[f"{who}, 95th percentile, ms"] = [latency(run, n, 1) for run in runs]
    memory = [run.speed.memory_mb for run in runs]
    rows["memory, MB"] = [NO_VALUE if mb is None else f"{mb:,.1f}" for mb in memory]
    machines = {run.environment["processor"] for run in runs}
    return Section(
        "Size and speed of the int8 files",
        paragraphs=[
            "Measured times and memory are those of the machine that did the run, with whatever "
            "else it did; the estimate is for a phone. "
            + (
                "The runs were done on different processors: their measured times tell nothing of "
                "the files."
                if len(machines) > 1
                else "The processors are of one kind."
            )
        ],
        table=by_run(runs, rows),
    )


def _estimate_rows(runs: Sequence[ComparedRun]) -> dict[str, list[str]]:
    """The estimated time, a row for each kind of phone that a run's estimate is for."""
    devices = dict.fromkeys(run.speed.estimate_device for run in runs)
    return {
        f"estimate, {device}, ms": [
            f"{run.speed.estimate_ms:,g}" if run.speed.estimate_device == device else NO_VALUE
            for run in runs
        ]
        for device in devices
    }
