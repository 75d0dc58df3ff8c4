"""What a command knows of the graph, which `pipeline.py` alone wires."""

from collections.abc import Callable
from typing import Any

Build = Callable[[str], Any]
"""From the name of a variant to its pipeline, as KFP's compiler and runner take it."""
