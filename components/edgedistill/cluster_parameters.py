"""What a run on a cluster is told beside the settings: hardware, nodes, claims, secrets.

KFP hands these to Kubernetes; no step reads them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from edgedistill.declaration import Constraint, DeclaredSetting
from edgedistill.settings import all_settings

DATA_PATH = "/data"
CHECKPOINT_PATH = "/checkpoints"
"""Where the claims of the variant `pvc` are mounted in every step."""

SECRET_PATH = "/var/run/edgedistill"
"""Where the keys of `bucket_secret` lie as files."""


def _parameter(name: str, default: Any, help: str, unit: str = "") -> DeclaredSetting:
    constraint = Constraint(help=help, unit=unit)
    return DeclaredSetting(name=name, type=type(default), default=default, constraint=constraint)


_EVERYWHERE = (
    _parameter(
        "gpu_type", "nvidia.com/gpu", "Resource that a training asks of Kubernetes for its GPUs."
    ),
    _parameter("cpu", "4", "CPUs that each training asks for and may use.", unit="CPUs"),
    _parameter("memory", "16Gi", "Memory that each training asks for and may use.", unit="bytes"),
    _parameter("node_selector", {}, "Labels of the nodes that trainings may run on, as JSON."),
    _parameter("tolerations", [], "Taints that trainings tolerate, as a JSON list."),
    _parameter("affinity", {}, "Node affinity of the trainings, as JSON."),
    _parameter(
        "bucket_secret",
        "edgedistill-bucket",
        "Secret with the credentials of buckets; it need not exist where the service account has "
        "them.",
    ),
    _parameter(
        "pull_secret", "edgedistill-registry", "Secret to pull the image with; it need not exist."
    ),
)

_CLAIMS = (
    _parameter("data_claim", "edgedistill-data", f"Claim with the photos, at {DATA_PATH}."),
    _parameter(
        "checkpoint_claim",
        "edgedistill-checkpoints",
        f"Claim for the states of trainings, at {CHECKPOINT_PATH}.",
    ),
)


@dataclass(frozen=True, kw_only=True)
class ClusterVariant:
    """One compiled pipeline.

    Attributes:
        name: as the command line calls it.
        pipeline_name: as KFP calls it.
        file_name: in `manifests`.
        overlay: folder of `manifests/overlays` that has it as objects.
        has_claims: photos and checkpoints lie in claims, not buckets.
    """

    name: str
    pipeline_name: str
    display_name: str
    file_name: str
    overlay: str
    has_claims: bool

    def parameters(self) -> dict[str, DeclaredSetting]:
        """Every setting, with this variant's own defaults, then what only a cluster is told."""
        declared = all_settings()
        own = (*_EVERYWHERE, *(_CLAIMS if self.has_claims else ()))
        # A cluster grants no GPU that is not asked for.
        declared["gpu_count"] = replace(declared["gpu_count"], default="1")
        # A pod that is taken has no time to save, and an epoch may take hours.
        declared["checkpoint_steps"] = replace(declared["checkpoint_steps"], default=1000)
        if self.has_claims:
            declared["data_dir"] = replace(declared["data_dir"], default=DATA_PATH)
        return {**declared, **{parameter.name: parameter for parameter in own}}


CLUSTER_VARIANTS: Mapping[str, ClusterVariant] = {
    variant.name: variant
    for variant in (
        ClusterVariant(
            name="buckets",
            pipeline_name="edgedistill",
            display_name="edgedistill: photos to an int8 classifier",
            file_name="pipeline.yaml",
            overlay="gcs",
            has_claims=False,
        ),
        ClusterVariant(
            name="pvc",
            pipeline_name="edgedistill-pvc",
            display_name="edgedistill: photos to an int8 classifier, on claims",
            file_name="pipeline-pvc.yaml",
            overlay="pvc",
            has_claims=True,
        ),
    )
}
"""By name, what is compiled into `manifests`."""


def cluster_parameters() -> list[DeclaredSetting]:
    """All that only a cluster is told, whichever the variant."""
    return [*_EVERYWHERE, *_CLAIMS]
