"""The report of qat_export: the proof, what quantisation cost, how fast the files are."""

from collections.abc import Mapping
from typing import Any

from edgedistill.report.page import Section, Table, render_page
from edgedistill.report.performance_section import performance_section
from edgedistill.report.quantisation_section import quantisation_section
from edgedistill.report.training_page import training_section
from edgedistill.tf.flatbuffer import FileFacts


def render_export_page(
    facts: FileFacts,
    quantization: Mapping[str, Any],
    performance: Mapping[str, Any],
    accuracies: Mapping[str, float],
    n_val: int,
) -> str:
    """One self-contained HTML page.

    Args:
        facts: what the int8 file says of itself.
        quantization: the content of quantization.json.
        performance: the content of performance.json.
        accuracies: val_accuracy and val_accuracy_student, in [0, 1].
        n_val: number of validation photos.
    """
    lead = (
        f"The int8 file is right on {accuracies['val_accuracy']:.1%} of {n_val:,} validation "
        f"photos, the float student on {accuracies['val_accuracy_student']:.1%}."
    )
    history = quantization["history"]
    curves = [training_section(history)] if history else []
    sections = [
        _proof_section(facts),
        quantisation_section(quantization),
        performance_section(performance),
        *curves,
    ]
    return render_page("Export to int8", lead, sections)


def _proof_section(facts: FileFacts) -> Section:
    entry, exit_ = facts.inputs[0], facts.outputs[0]
    return Section(
        "Proof",
        paragraphs=[
            f"Every operator works on integers. Input {entry.dtype}, scale {entry.scale:g}, zero "
            f"point {entry.zero_point}, shape {_shape(entry.shape)}; output {exit_.dtype}, shape "
            f"{_shape(exit_.shape)}. The file for MediaPipe Tasks holds the same weights; on "
            "every validation photo it names the same class, ties aside, with scores within one "
            "step of quantisation."
        ],
        table=Table(["operator", "count"], [[name, str(n)] for name, n in facts.operators.items()]),
    )


def _shape(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape))
