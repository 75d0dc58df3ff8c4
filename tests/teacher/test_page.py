import html
from typing import Any

from edgedistill.teacher.page import render_teacher_page
from tests.example_documents import history


def page(histories: dict[str, Any], **figures: float) -> str:
    return html.unescape(render_teacher_page(histories, figures, n_val=200))


def test_one_teachers_page_has_its_curves_and_no_word_of_others():
    # What was kept need not be the highest of the curve.
    text = page({"resnet101": history(0.8, 0.95)}, val_accuracy=0.9)
    assert "Teacher: resnet101" in text
    assert "Right on 90.0% of 200 validation photos" in text
    assert "together" not in text
    assert text.count("data:image/png;base64,") == 1


def test_each_of_several_teachers_has_its_curves_and_stands_beside_what_they_are_together():
    text = page(
        {"efficientnet_lite2": history(0.8, 0.9), "resnet101": history(0.7, 0.85)},
        val_accuracy=0.93,
        val_accuracy_efficientnet_lite2=0.9,
        val_accuracy_resnet101=0.84,
    )
    assert "Teachers: efficientnet_lite2, resnet101" in text
    assert "Right on 93.0% of 200 validation photos, all 2 networks together" in text
    for name, share in (("efficientnet_lite2", 90), ("resnet101", 84), ("together", 93)):
        assert f'<td>{name}</td><td class="number">{share}.0%</td>' in text
    assert text.index("<h2>efficientnet_lite2</h2>") < text.index("<h2>resnet101</h2>")
    assert text.count("data:image/png;base64,") == 2
