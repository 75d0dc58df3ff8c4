import html

from edgedistill.report.page import render_page
from edgedistill.report.quantisation_section import quantisation_section
from tests import example_documents


def test_each_way_is_held_against_the_float_student_and_what_ships_is_marked() -> None:
    section = quantisation_section(example_documents.quantization())
    # 0.9 - 0.925 and 0.916 - 0.925, in points.
    assert section.all_tables[0].rows == [
        ["float student", "92.5%", "–"],
        ["post-training quantisation", "90.0%", "-2.5"],
        ["quantisation-aware training (ships)", "91.6%", "-0.9"],
    ]


def test_the_noisiest_layers_come_first_and_all_follow_in_their_order() -> None:
    worst, everything = quantisation_section(example_documents.quantization()).all_tables[1:]
    assert [row[0] for row in worst.rows] == ["body", "stem"]
    assert [row[2:] for row in everything.rows] == [
        ["41.2", "41.2"], ["20.0", "18.5"], ["no noise", "18.5"],
    ]  # fmt: skip
    assert everything.folded


def test_names_of_layers_are_escaped() -> None:
    layers = [{"layer": "<b>", "operator": "ADD", "sqnr_db": 1.0, "own_sqnr_db": 1.0}]
    section = quantisation_section(example_documents.quantization(layers=layers))
    page = render_page("t", "l", [section])
    assert "<td><b>" not in page
    assert "<b>" in html.unescape(page)
