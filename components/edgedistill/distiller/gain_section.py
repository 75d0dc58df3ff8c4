"""What distillation gained, as a part of the report: the student held against one without it."""

from edgedistill.core.paired import PairedComparison
from edgedistill.report.page import Section
from edgedistill.report.training_page import History, training_section


def distillation_section(compared: PairedComparison, n_val: int, history: History) -> Section:
    """The difference on the validation photos with its interval, and the other one's training.

    Args:
        compared: of the student without the teacher (first) with the one it taught (second).
        n_val: number of validation photos.
        history: of the student without the teacher, one row an epoch.
    """
    low, high = (100 * end for end in compared.difference_interval)
    fact = (
        f"Distillation gains {100 * compared.difference:+.1f} points on {n_val:,} validation "
        f"photos (95 %: {low:+.1f} to {high:+.1f}), held against a student that was trained alike "
        f"but without the teacher. {compared.only_second_right:,} photos are named right by the "
        f"taught student alone, {compared.only_first_right:,} by the other alone (McNemar's exact "
        f"test: p = {compared.p_value:.2g})."
    )
    noise = "" if low > 0 or high < 0 else " This may be noise: the interval holds 0."
    curves = training_section(history)
    return Section(
        "What distillation gains", [fact + noise], images=curves.images, table=curves.table
    )
