"""How compared runs were made otherwise: settings, versions, machine, data; only what differs."""

from collections.abc import Sequence

from edgedistill.report.comparison_facts import ComparedRun, ComparisonFacts, Difference
from edgedistill.report.comparison_words import NO_VALUE
from edgedistill.report.page import Section, Table

_DIGEST_CHARACTERS = 12


def differences_sections(facts: ComparisonFacts) -> list[Section]:
    """Settings that differ, and what else does."""
    return [_settings_section(facts), _made_with_section(facts)]


def _settings_section(facts: ComparisonFacts) -> Section:
    tables = []
    if facts.settings:
        tables.append(_table("setting", facts.settings, facts.runs))
    if facts.idle_settings:
        title = "Settings that change no result"
        tables.append(_table("setting", facts.idle_settings, facts.runs, title))
    alike = "All settings that can change a result are the same."
    return Section(
        "Settings that differ", paragraphs=[] if facts.settings else [alike], tables=tables
    )


def _made_with_section(facts: ComparisonFacts) -> Section:
    tables = []
    if facts.environment:
        tables.append(_table("", facts.environment, facts.runs, "Versions and machine"))
    if facts.parts:
        short = [
            Difference(part.name, [text[:_DIGEST_CHARACTERS] for text in part.texts])
            for part in facts.parts
        ]
        title = f"Digests, the first {_DIGEST_CHARACTERS} characters"
        tables.append(_table("part", short, facts.runs, title))
    paragraphs = [] if facts.environment else ["Versions and machine are the same."]
    parts = {part.name for part in facts.parts}
    if "data" not in parts:
        paragraphs.append("The photos are the same, by place, label and pixels.")
    if "split" not in parts:
        paragraphs.append("They were divided in the same way.")
    if "file" not in parts:
        paragraphs.append("The int8 files are the same, byte for byte.")
    return Section("What else differs", paragraphs=paragraphs, tables=tables)


def _table(
    what: str, differences: Sequence[Difference], runs: Sequence[ComparedRun], title: str = ""
) -> Table:
    rows = [[d.name, *(text or NO_VALUE for text in d.texts)] for d in differences]
    return Table([what, *(run.name for run in runs)], rows, title=title)
