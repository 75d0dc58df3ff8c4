"""What a run on a cluster is told beside the settings: hardware, nodes, claims, secrets.

KFP hands these to Kubernetes; no step reads them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from edgedistill.declaration import Constraint, DeclaredSetting
from edgedistill.settings import all_settings

DATA_PATH = "/data"
"""Where the claim of the photos is, in steps that mount it."""

CHECKPOINT_PATH = "/checkpoints"
"""Where the claim for states is, in steps that mount it."""

SECRET_PATH = "/var/run/edgedistill"
"""Where the keys of `bucket_secret` lie as files."""


# What Kubernetes takes, so that a slip is refused before a run has waited for its first pod.
_POSITIVE = r"(?=.*[1-9])[0-9]+(\.[0-9]+)?"
_CPU = f"{_POSITIVE}|[1-9][0-9]*m"
_BYTES = f"{_POSITIVE}([KMGTPE]i|[kMGTPE])?"
_PART = "[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?"
_DNS_PART = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_NAME = rf"{_DNS_PART}(\.{_DNS_PART})*"

_A_NAME = {
    "pattern": _NAME,
    "wanted": "a name of small letters, digits, dashes and dots, as Kubernetes has them",
}


def _parameter(name: str, default: Any, help: str, **limits: str) -> DeclaredSetting:
    constraint = Constraint(help=help, **limits)  # type: ignore[arg-type]
    return DeclaredSetting(name=name, type=type(default), default=default, constraint=constraint)


_EVERYWHERE = (
    _parameter(
        "gpu_type",
        "nvidia.com/gpu",
        "Resource that a training asks of Kubernetes for its GPUs.",
        pattern=f"{_NAME}/{_PART}",
        wanted="a resource such as nvidia.com/gpu",
    ),
    _parameter(
        "cpu",
        "4",
        "CPUs that each training asks for and may use.",
        unit="CPUs",
        pattern=_CPU,
        wanted="a number of CPUs such as 4, 0.5 or 500m",
    ),
    _parameter(
        "memory",
        "16Gi",
        "Memory that each training asks for and may use.",
        unit="bytes",
        pattern=_BYTES,
        wanted="bytes with Kubernetes' units, such as 16Gi",
    ),
    _parameter(
        "node_selector",
        {},
        "Labels of the nodes that trainings may run on, as JSON.",
        pattern=f"({_PART})?",
        wanted='a JSON object of texts, such as \'{"disk": "ssd"}\'',
    ),
    _parameter(
        "tolerations",
        [],
        "Taints that trainings tolerate, as a JSON list.",
        wanted='a JSON list, such as \'[{"key": "nvidia.com/gpu", "operator": "Exists"}]\'',
    ),
    _parameter("affinity", {}, "Node affinity of the trainings, as JSON."),
    _parameter(
        "bucket_secret",
        "edgedistill-bucket",
        "Secret with the credentials of buckets; it need not exist where the service account has "
        "them.",
        **_A_NAME,
    ),
    _parameter(
        "pull_secret",
        "edgedistill-registry",
        "Secret to pull the image with; it need not exist.",
        **_A_NAME,
    ),
)

_GPU_COUNT = _parameter(
    "gpu_count",
    "1",
    "GPUs of each training, several as one; 0: none, on the CPU.",
    unit="GPUs",
    pattern="0|[1-9][0-9]*",
    wanted="a whole number on a cluster",
)
"""In place of the setting: a cluster grants no GPU that is not asked for."""

_CLAIMS = (
    _parameter(
        "data_claim", "edgedistill-data", f"Claim with the photos, at {DATA_PATH}.", **_A_NAME
    ),
    _parameter(
        "checkpoint_claim",
        "edgedistill-checkpoints",
        f"Claim for the states of trainings, at {CHECKPOINT_PATH}.",
        **_A_NAME,
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
        declared["gpu_count"] = _GPU_COUNT
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
