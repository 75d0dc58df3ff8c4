"""The report of qat_export: the proof, and the curves of the fine-tuning."""

from edgedistill.report.page import Section, Table, render_page
from edgedistill.report.training_page import training_section
from edgedistill.tf.flatbuffer import FileFacts
from edgedistill.tf.networks import HistoryRow


def render_export_page(
    facts: FileFacts,
    history: list[HistoryRow],
    accuracies: dict[str, float],
    n_val: int,
    size_bytes: int,
) -> str:
    """One self-contained HTML page.

    Args:
        facts: what the file says of itself.
        history: one row an epoch of quantisation-aware training; empty without it.
        accuracies: val_accuracy, val_accuracy_student and agreement, in [0, 1].
        n_val: number of validation photos.
        size_bytes: of the file.
    """
    lead = (
        f"The int8 file is right on {accuracies['val_accuracy']:.1%} of {n_val:,} validation "
        f"photos, the float student on {accuracies['val_accuracy_student']:.1%}."
    )
    entry = facts.inputs[0]
    proof = Section(
        "Proof",
        paragraphs=[
            f"Every operator works on integers. Input {entry.dtype}, scale {entry.scale:g}, zero "
            f"point {entry.zero_point}; {size_bytes:,} bytes; file and Keras network name the "
            f"same class on {accuracies['agreement']:.1%} of the validation photos."
        ],
        table=Table(["operator", "count"], [[name, str(n)] for name, n in facts.operators.items()]),
    )
    curves = [training_section(history)] if history else []
    return render_page("Export to int8", lead, [proof, *curves])
