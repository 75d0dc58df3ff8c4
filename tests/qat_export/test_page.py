import html

from edgedistill.qat_export.page import render_export_page
from edgedistill.tf.flatbuffer import read_facts
from tests import example_documents
from tests.example_documents import history
from tests.tflite_files import tiny_int8_model

ACCURACIES = {"val_accuracy": 0.916, "val_accuracy_student": 0.925}


def page(**changes: object) -> str:
    quantization = example_documents.quantization(**changes)
    facts = read_facts(tiny_int8_model(size_px=8))
    performance = example_documents.performance()
    return html.unescape(render_export_page(facts, quantization, performance, ACCURACIES, 341))


def test_the_page_tells_accuracy_proof_loss_and_speed() -> None:
    for text in (
        "right on 91.6% of 341 validation photos, the float student on 92.5%",
        "Input int8, scale 1, zero point -128, shape 1 × 8 × 8 × 3",
        "quantisation-aware training (ships)",
        "9.1 ms",
    ):
        assert text in page(), text


def test_there_are_curves_only_where_there_was_training() -> None:
    assert "data:image/png" not in page()
    assert page(history=history(0.5)).count("data:image/png") == 1
