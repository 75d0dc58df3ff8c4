"""The page of a training: the row that is kept, and what follows the curves."""

import html
import re

from edgedistill.report.page import Section
from edgedistill.report.training_page import render_training_page
from tests.example_documents import history


def test_the_epoch_that_is_kept_is_named_and_marked():
    rows = history(0.8, 0.925, 0.9)
    page = html.unescape(render_training_page("Student", rows, n_val=200))
    assert "Right on 92.5% of 200 validation photos" in page
    cells = [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in re.findall(r"<tr>.*?</tr>", page)]
    assert [row[1] for row in cells if row] == ["1", "2, kept", "3"]


def test_more_sections_follow_the_curves():
    more = [Section("What the teacher knows more", paragraphs=["Nothing."])]
    page = html.unescape(render_training_page("Student", history(0.8), n_val=9, more=more))
    assert page.index("Loss and accuracy by epoch") < page.index("What the teacher knows more")
