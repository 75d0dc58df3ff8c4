"""What the final report and its advice are made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Document = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """What the page is made of: the documents of artifacts.py as read, and four pictures.

    `teachers` has a document for each, `together` is teachers.json; `bad_files` are the lines of
    bad_files.txt; `images` holds the PNG files CONFUSION_PNG, THRESHOLD_PNG, RELIABILITY_PNG and
    CONFIDENCE_PNG by file name.
    """

    metrics: Document
    threshold: Document
    manifest: Document
    config: Document
    run: Document
    model: Document
    teachers: Sequence[Document]
    together: Document
    student: Document
    quantization: Document
    performance: Document
    bad_files: Sequence[str]
    images: Mapping[str, bytes]
