"""What stands above all else where the gate says that the model must not ship."""

from collections.abc import Sequence

from edgedistill.calibrate.bundle.markdown import escaped, paragraph


def do_not_ship(reasons: Sequence[str]) -> str:
    """The heading, the reasons and an empty line behind them; "" where there are no reasons.

    Args:
        reasons: plain sentences.
    """
    if not reasons:
        return ""
    listed = "".join(paragraph(f"- {escaped(reason)}", indent=2) for reason in reasons)
    said = paragraph("This model failed a check that it had to pass. It is here to be looked at:")
    return f"# DO NOT SHIP\n\n{said}\n{listed}\n"
