"""The command `community`: the components as kubeflow/pipelines-components wants them."""

import importlib.util
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from edgedistill import components
from edgedistill.community import write_components
from edgedistill.compile_arguments import read_community_arguments
from edgedistill.errors import SettingError


def command(words: Sequence[str]) -> int:
    """Writes every component into a checkout of that repository; gives 0."""
    wanted = read_community_arguments(words)
    if importlib.util.find_spec("ruff") is None:
        raise SettingError("community formats with ruff: pip install 'edgedistill[check]'.")
    every = {name: getattr(components, name) for name in components.__all__}
    written = write_components(
        wanted.checkout,
        every,
        approvers=wanted.approvers,
        image=wanted.image,
        verified=datetime.now(UTC).date(),
    )
    for path in written:
        sys.stdout.write(f"{path.relative_to(wanted.checkout)}\n")
    return 0
