"""The photos that the run was made of."""

from edgedistill.report.page import Section, Table
from edgedistill.report.run_facts import RunFacts
from edgedistill.report.wording import counted, percent

_MAX_BAD_FILES = 50
_MOST_OPEN = 12


def photos_section(facts: RunFacts) -> Section:
    """How many there are of which class, what each part served, and what was left out."""
    manifest, counts = facts.manifest, facts.run["counts"]
    total = manifest["n_photos"]
    bad = [line.partition("\t")[::2] for line in facts.bad_files[:_MAX_BAD_FILES]]
    more = len(facts.bad_files) - len(bad)
    calib = counts.get("calib")
    purposes = [
        f"{counts['train']:,} to train on",
        f"{counts['val']:,} to choose epochs{'' if calib else ' and the threshold'} on",
        *([f"{calib:,} to choose the threshold on"] if calib else []),
        f"{counts['test']:,} to report on",
    ]
    paragraphs = [
        f"{total:,} readable photos: {', '.join(purposes)}. "
        f"{counted(len(facts.bad_files), 'file')} left out. scan_report.html tells more of them."
    ]
    if facts.evaluation["n_unknown"]:
        n_unknown = counted(facts.evaluation["n_unknown"], "photo")
        paragraphs.append(f"Beside them {n_unknown} of no class, to be answered 'unknown'.")
    if more > 0:
        paragraphs.append(f"bad_files.txt lists {more:,} more than the table below.")
    rows = [[name, f"{n:,}", percent(n / total)] for name, n in manifest["classes"].items()]
    tables = [
        Table(["class", "photos", "share"], rows, "Photos by class", folded=len(rows) > _MOST_OPEN)
    ]
    if bad:
        tables.append(Table(["file", "reason"], bad, title="Files left out"))
    return Section("Photos", paragraphs=paragraphs, tables=tables)
