"""What the bundle's texts tell, from the documents of the steps before."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgedistill.artifacts import (
    MODEL_FILE,
    MODEL_METADATA,
    QUANTIZATION,
    TASKS_FILE,
    read_labels,
)
from edgedistill.errors import ArtifactError
from edgedistill.json_file import missing_file


@dataclass(frozen=True)
class BundleFacts:
    """The documents, each as its step wrote it.

    Attributes:
        version: of the model.
        label_names: in the order of the model's outputs.
        metadata: model_metadata.json, as it is in the bundle.
        quantization: quantization.json.
        threshold: threshold_recommendation.json.
        scores: metrics.json of the step evaluate.
        do_not_ship: why, in sentences; empty where the model may ship.
        sizes: bytes of each of the two model files, by name.
    """

    version: str
    label_names: tuple[str, ...]
    metadata: Mapping[str, Any]
    quantization: Mapping[str, Any]
    threshold: Mapping[str, Any]
    scores: Mapping[str, Any]
    do_not_ship: tuple[str, ...]
    sizes: Mapping[str, int]

    @property
    def side_px(self) -> int:
        return int(self.metadata["input"]["width"])

    @property
    def answers_all(self) -> bool:
        """Whether the threshold is 0, which every confidence reaches: no photo is "unknown"."""
        return bool(self.threshold["recommended_threshold"] == 0)


def read_facts(
    tflite: Path,
    threshold: Mapping[str, Any],
    scores: Mapping[str, Any],
    gate: Mapping[str, Any],
    version: str,
) -> BundleFacts:
    """Reads qat_export's folder, and adds to the model's metadata what was found out since.

    Args:
        tflite: that folder.
        threshold: content of threshold_recommendation.json.
        scores: content of metrics.json.
        gate: content of gate.json.
        version: of the model.

    Raises:
        ArtifactError: a file is missing or damaged, or the scores are of other classes.
    """
    label_names = tuple(read_labels(tflite))
    if set(scores["per_class"]) != set(label_names):
        raise ArtifactError(
            f"the scores must be of the {len(label_names)} classes in {tflite}; got "
            f"{len(scores['per_class'])} classes, not the same ones: run evaluate on this model."
        )
    do_not_ship = () if gate["ship"] else tuple(gate["reasons"])
    return BundleFacts(
        version=version,
        label_names=label_names,
        metadata=_with_findings(MODEL_METADATA.read(tflite), threshold, do_not_ship),
        quantization=QUANTIZATION.read(tflite),
        threshold=threshold,
        scores=scores,
        do_not_ship=do_not_ship,
        sizes={name: file_bytes(tflite / name) for name in (MODEL_FILE, TASKS_FILE)},
    )


def _with_findings(
    metadata: Mapping[str, Any], threshold: Mapping[str, Any], do_not_ship: tuple[str, ...]
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if "temperature" in threshold:
        found["temperature"] = threshold["temperature"]["value"]
    if do_not_ship:
        found["do_not_ship"] = list(do_not_ship)
    return {**metadata, **found}


def file_bytes(path: Path) -> int:
    """The size of a file that another step wrote.

    Raises:
        ArtifactError: it is missing.
    """
    try:
        return path.stat().st_size
    except FileNotFoundError:
        raise missing_file(path) from None
