"""What the final report and its advice are made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgedistill.report.teacher_gain import TeacherGain, teacher_gain

Document = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """What the page is made of: the documents of artifacts.py as read, and what lies beside them.

    `teachers` has a document for each, `together` is teachers.json; `plain_student` is that of the
    student without a teacher, None where none was trained; `curve` holds the rows of
    THRESHOLD_CURVE_CSV as numbers, None where no photo is accepted; `confusion` the counts of
    CONFUSION_CSV, a row a true class, in the order of `metrics`' per_class; `label_review` the
    first rows of LABEL_REVIEW_CSV, suspects first; `mistakes` the pictures of MISTAKES_FOLDER by
    file name; `bad_files` the lines of bad_files.txt.
    """

    metrics: Document
    evaluation: Document
    gate: Document
    threshold: Document
    curve: Sequence[Mapping[str, float | None]]
    confusion: Sequence[Sequence[int]]
    mistakes: Mapping[str, bytes]
    manifest: Document
    config: Document
    run: Document
    model: Document
    teachers: Sequence[Document]
    together: Document
    label_review: Sequence[Mapping[str, str]]
    student: Document
    plain_student: Document | None
    quantization: Document
    performance: Document
    bad_files: Sequence[str]

    @property
    def file(self) -> Document:
        """The figures of the shipped file, in `evaluation`."""
        return self.model_named("file")

    def model_named(self, name: str) -> Document:
        """The figures of one model of the waterfall.

        Raises:
            ValueError: there is none of this name.
        """
        for model in self.evaluation["models"]:
            if model["name"] == name:
                found: Document = model
                return found
        raise ValueError(f"no model {name} in evaluation.json")

    @property
    def teacher_gain(self) -> TeacherGain | None:
        """What the teacher knows more than a plain student."""
        plain = self.plain_student
        return teacher_gain(
            self.together,
            self.student["history"],
            None if plain is None else plain["history"],
            self.config["settings"]["distill_alpha"],
        )

    def comparison(self, first: str, second: str) -> Document | None:
        """How `second` did against `first` on the same photos; None where it was not asked."""
        for comparison in self.evaluation["comparisons"]:
            if (comparison["from"], comparison["to"]) == (first, second):
                found: Document = comparison
                return found
        return None
