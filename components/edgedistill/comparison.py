"""Several finished runs held against the first of them, on the test photos that both judged.

Photos are told by place, label and decoded pixels: a photo that was given another label, or
another picture at the same place, is counted and left out, never compared.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from edgedistill.compared_runs import Answer, ReadRun, read_run
from edgedistill.core.paired import compare_paired
from edgedistill.declaration import Value
from edgedistill.errors import SettingError
from edgedistill.report.comparison_facts import (
    ComparedRun,
    ComparisonFacts,
    Difference,
    Flip,
    Flips,
    Pair,
    PairedAnswers,
)
from edgedistill.reuse import WITHOUT_EFFECT
from edgedistill.setting_texts import value_text

FEWEST_RUNS, MOST_RUNS = 2, 10
LEAST_COMMON_SHARE = 0.5
"""Of the smaller test split: with fewer photos in common, they would speak for neither run."""

_MOST_NAMED = 5


def compare_runs(folders: Sequence[Path]) -> ComparisonFacts:
    """Reads the runs and compares each but the first with the first.

    Args:
        folders: output folders of finished runs, resolved, in the order of the page.

    Raises:
        SettingError: there are too few or too many folders, one is given twice, or one holds no
            finished run.
        ArtifactError: a run's file is damaged or of another version.
    """
    _check_folders(folders)
    read = [read_run(f, name) for f, name in zip(folders, distinct_names(folders), strict=True)]
    runs = [r.run for r in read]
    settings = _differences([run.settings for run in runs])
    return ComparisonFacts(
        runs=runs,
        pairs=_adjusted([_pair(read[0], other) for other in read[1:]]),
        settings=[d for d in settings if d.name not in WITHOUT_EFFECT],
        idle_settings=[d for d in settings if d.name in WITHOUT_EFFECT],
        environment=_differences([run.environment for run in runs]),
        parts=_differences([run.digests for run in runs]),
    )


def distinct_names(folders: Sequence[Path]) -> list[str]:
    """A short name for each of several different folders.

    It is the folder's own, with as much of the path before it as tells it from the others.

    Raises:
        ValueError: two are the same.
    """
    if len(set(folders)) < len(folders):
        raise ValueError(f"folders must be different; got {folders}")
    depths = [1] * len(folders)
    while True:
        names = [str(Path(*f.parts[-d:])) for f, d in zip(folders, depths, strict=True)]
        shared = [i for i, name in enumerate(names) if names.count(name) > 1]
        if not shared:
            return names
        for i in shared:
            depths[i] += 1


def _check_folders(folders: Sequence[Path]) -> None:
    if not FEWEST_RUNS <= len(folders) <= MOST_RUNS:
        raise SettingError(
            f"compare takes {FEWEST_RUNS} to {MOST_RUNS} output folders of finished runs; got "
            f"{len(folders)}: python pipeline.py compare OUT1 OUT2"
        )
    for folder in folders:
        if folders.count(folder) > 1:
            raise SettingError(f"{folder} is given twice; a run is compared with other runs.")


def _differences(of_runs: Sequence[Mapping[str, Value]]) -> list[Difference]:
    """Those of the values that are not the same in all runs, in the first's order."""
    names = dict.fromkeys(name for values in of_runs for name in values)
    texts = {
        name: ["" if name not in values else value_text(values[name]) for values in of_runs]
        for name in names
    }
    return [Difference(name, found) for name, found in texts.items() if len(set(found)) > 1]


def _pair(first: ReadRun, other: ReadRun) -> Pair:
    """The answers of two runs' files to the test photos that both judged."""
    common, n_relabelled, n_other_pixels = _common(first.answers, other.answers)
    pair = Pair(
        run=other.run,
        n_common=len(common),
        n_relabelled=n_relabelled,
        n_other_pixels=n_other_pixels,
    )
    refusal = _other_classes(first.run, other.run) or _too_few(first, other, len(common))
    if refusal:
        return replace(pair, refusal=refusal)
    first_right, second_right = np.array([(a.is_right, b.is_right) for a, b in common]).T
    paired = compare_paired(first_right, second_right, confidence=first.run.confidence_level)
    answers = PairedAnswers(
        first_top1=float(first_right.mean()),
        second_top1=float(second_right.mean()),
        paired=paired,
        p_adjusted=paired.p_value,
        flips=_flips(common),
    )
    return replace(pair, answers=answers)


def _common(
    first: Sequence[Answer], second: Sequence[Answer]
) -> tuple[list[tuple[Answer, Answer]], int, int]:
    """The photos of both, in the first's order; and how many are at one place but not the same.

    Those are counted apart: of another label, and of the same label with other pixels. There may
    be several photos at one place, for it is relative to a folder of the photo's own.
    """
    known = {(b.filepath, b.label_name, b.digest): b for b in second}
    labelled = {(b.filepath, b.label_name) for b in second}
    places = {b.filepath for b in second}
    common: list[tuple[Answer, Answer]] = []
    n_relabelled = n_other_pixels = 0
    for a in first:
        b = known.get((a.filepath, a.label_name, a.digest))
        if b is not None:
            common.append((a, b))
        elif (a.filepath, a.label_name) in labelled:
            n_other_pixels += 1
        elif a.filepath in places:
            n_relabelled += 1
    return common, n_relabelled, n_other_pixels


def _other_classes(first: ComparedRun, other: ComparedRun) -> str:
    """Why the answers to another question are not compared; empty where it is the same."""
    unlike = [
        f"only '{run.name}' has {_listed(own)}"
        for run, beside in ((first, other), (other, first))
        if (own := [name for name in run.label_names if name not in set(beside.label_names)])
    ]
    if not unlike:
        return ""
    return (
        f"'{other.name}' has other classes than '{first.name}' ({'; '.join(unlike)}): "
        "their files answer different questions, and are not compared photo by photo."
    )


def _too_few(first: ReadRun, other: ReadRun, n_common: int) -> str:
    """Why so few common photos are not compared; empty where they are enough."""
    runs, n_smaller = (first.run, other.run), min(len(first.answers), len(other.answers))
    names = " and ".join(f"'{run.name}'" for run in runs)
    if n_common == 0:
        return (
            f"{names} have no test photo in common (same place, label and pixels): nothing can be "
            "compared photo by photo."
        )
    if n_common < LEAST_COMMON_SHARE * n_smaller:
        return (
            f"{names} have only {n_common:,} test photo{'' if n_common == 1 else 's'} in common, "
            f"fewer than half of the smaller test split ({n_smaller:,}): that would speak for "
            "neither run."
        )
    return ""


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMED
    listed = ", ".join(f"'{name}'" for name in names[:_MOST_NAMED])
    return f"{listed} and {more} more" if more > 0 else listed


def _flips(common: Sequence[tuple[Answer, Answer]]) -> Flips:
    """What became of the photos that the two files call by different names, the surest first."""
    kinds: dict[tuple[bool, bool], list[Flip]] = {
        (True, False): [], (False, True): [], (False, False): []
    }  # fmt: skip
    for a, b in common:
        if a.predicted_name != b.predicted_name:
            flip = Flip(
                filepath=a.filepath, label_name=a.label_name,
                first_name=a.predicted_name, first_confidence=a.confidence,
                second_name=b.predicted_name, second_confidence=b.confidence,
            )  # fmt: skip
            kinds[a.is_right, b.is_right].append(flip)
    for flips in kinds.values():
        flips.sort(key=lambda flip: -flip.second_confidence)
    return Flips(
        right_to_wrong=kinds[True, False],
        wrong_to_right=kinds[False, True],
        wrong_to_other=kinds[False, False],
    )


def _adjusted(pairs: Sequence[Pair]) -> list[Pair]:
    """The pairs with p-values corrected for the number of those that are compared."""
    p_values = holm([pair.answers.paired.p_value for pair in pairs if pair.answers])
    waiting = iter(p_values)
    return [
        replace(pair, answers=replace(pair.answers, p_adjusted=next(waiting)))
        if pair.answers
        else pair
        for pair in pairs
    ]


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values of several tests, raised so that together they err as seldom as one alone.

    The smallest is multiplied by their number, the next by one less, and so on; none falls below
    one before it, and none exceeds 1.

    Source: Holm 1979, "A Simple Sequentially Rejective Multiple Test Procedure".
    """
    adjusted = [0.0] * len(p_values)
    least = 0.0
    for n_before, i in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        least = max(least, min(1.0, (len(p_values) - n_before) * p_values[i]))
        adjusted[i] = least
    return adjusted
