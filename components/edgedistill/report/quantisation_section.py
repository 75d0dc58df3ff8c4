"""What quantisation cost: the ways that were tried, which one ships, and each layer's error."""

from collections.abc import Mapping, Sequence
from typing import Any

from edgedistill.artifacts import FLOAT
from edgedistill.report.page import Section, Table

_SHOWN_LAYERS = 8
_LAYER_HEADER = ("layer", "operator", "own dB", "total dB")


def quantisation_section(quantization: Mapping[str, Any]) -> Section:
    """Candidates on the same validation photos, and the layers with the most noise.

    Args:
        quantization: the content of quantization.json.
    """
    layers = quantization["layers"]
    noisy = [layer for layer in layers if layer["own_sqnr_db"] is not None]
    noisy.sort(key=lambda layer: float(layer["own_sqnr_db"]))
    tables = [
        Table(("way", "right", "points"), _candidates(quantization)),
        Table(_LAYER_HEADER, _rows(noisy[:_SHOWN_LAYERS]), title="Layers that add most noise"),
        Table(
            _LAYER_HEADER, _rows(layers), title=f"All {len(layers)} layers, in order", folded=True
        ),
    ]
    return Section(
        "What quantisation cost",
        paragraphs=[
            f"{_why(quantization)} On {quantization['agreement']:.1%} of the validation photos it "
            "names the class that the float student names; points are those against the float "
            "student.",
            "The layers' figures are signal to quantisation noise, the file against the float "
            "student on at most 32 validation photos: 20 dB is an error of a tenth, 40 dB of a "
            "hundredth. Own: what the layer adds by itself. Total: with the noise of the layers "
            "before it, and with what training changed.",
        ],
        tables=tables,
    )


def _why(quantization: Mapping[str, Any]) -> str:
    """Why this file ships, in a sentence."""
    method = quantization["method"]
    of_files = {way: right for way, right in quantization["candidates"].items() if way != FLOAT}
    others = [right for way, right in of_files.items() if way != method]
    if not others:
        return f"What ships came about by {method}."
    if max(others) < of_files[method]:
        return f"Of the int8 files the one by {method} is right on more photos, and ships."
    return (
        f"The int8 files are right on as many photos; the one by {method} ships, because its "
        "cross entropy is lower."
    )


def _candidates(quantization: Mapping[str, Any]) -> list[list[str]]:
    """The float student first, then the files."""
    figures = quantization["candidates"]
    base = next(iter(figures.values()))
    return [
        [
            f"{way} (ships)" if way == quantization["method"] else way,
            f"{accuracy:.1%}",
            "–" if number == 0 else f"{100 * (accuracy - base):+.1f}",
        ]
        for number, (way, accuracy) in enumerate(figures.items())
    ]


def _rows(layers: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    return [
        [
            layer["layer"],
            layer["operator"],
            _decibels(layer["own_sqnr_db"]),
            _decibels(layer["sqnr_db"]),
        ]
        for layer in layers
    ]


def _decibels(ratio: float | None) -> str:
    return "no noise" if ratio is None else f"{ratio:.1f}"
