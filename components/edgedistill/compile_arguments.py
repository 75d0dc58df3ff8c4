"""The words behind `compile` and `community`, which hand pipelines and components on."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgedistill.arguments import absolute, by_name, flag, read_flags
from edgedistill.declaration import Constraint, DeclaredSetting
from edgedistill.errors import SettingError
from edgedistill.settings import MOST_SHARDS

COMPILE_OPTIONS = by_name(
    flag("output_folder", "", "Folder for one pipeline of your own; left out: what is committed."),
    flag("variant", "buckets", "Where the photos are.", "buckets", "pvc"),
    flag("image", "", "Image of the steps, with its registry; left out: edgedistill-train."),
    DeclaredSetting(
        name="scan_shards",
        type=int,
        default=1,
        constraint=Constraint(
            help="Pods that share the work of scan.", unit="pods", ge=1, le=MOST_SHARDS
        ),
    ),
    flag("namespace", "edgedistill", "Namespace of the objects for GitOps."),
)
"""Flags of `compile`."""

COMMUNITY_OPTIONS = by_name(
    flag("checkout", None, "Folder of a checkout of kubeflow/pipelines-components."),
    flag("approvers", None, "GitHub names of who answers for the components there, with commas."),
    flag("image", None, "Image of images/train/, under a name that its allowlist admits."),
)
"""Flags of `community`."""

_IMAGE = re.compile(
    r"[a-z0-9.-]+(:\d+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*"  # registry, then the name's parts
    r"(:(?!latest$)\w[\w.-]{0,127}|@sha256:[0-9a-f]{64})"
)
_NAMESPACE = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_GITHUB_NAME = re.compile(r"[A-Za-z0-9](-?[A-Za-z0-9]){0,38}")


@dataclass(frozen=True, kw_only=True)
class CompileArguments:
    """One pipeline to compile; `image` is "" for the one that the package names."""

    output_folder: Path
    variant: str
    image: str
    scan_shards: int
    namespace: str


def read_compile_arguments(words: Sequence[str]) -> CompileArguments | None:
    """Reads the words behind `compile`; None where there are none: all that is committed.

    Raises:
        SettingError: a flag is unknown, given twice or without a value, or a value is not allowed.
    """
    texts = read_flags(words, COMPILE_OPTIONS)
    if not texts:
        return None
    given = {name: COMPILE_OPTIONS[name].parse(text) for name, text in texts.items()}
    options = {name: given.get(name, d.default) for name, d in COMPILE_OPTIONS.items()}
    if not options["output_folder"]:
        raise SettingError(
            "output_folder must be given with any other flag of compile: add --output_folder "
            "FOLDER, so that the committed files stay what they are."
        )
    image = str(options["image"])
    if image:
        _check_image(image)
    if not _NAMESPACE.fullmatch(str(options["namespace"])):
        raise SettingError(
            "namespace must be 1 to 63 lower-case letters, digits and dashes; got "
            f"{options['namespace']}."
        )
    return CompileArguments(
        output_folder=absolute(str(options["output_folder"])),
        variant=str(options["variant"]),
        image=image,
        scan_shards=int(options["scan_shards"]),
        namespace=str(options["namespace"]),
    )


@dataclass(frozen=True, kw_only=True)
class CommunityArguments:
    """Where the components go, who answers for them there, and the image that they run in."""

    checkout: Path
    approvers: tuple[str, ...]
    image: str


def read_community_arguments(words: Sequence[str]) -> CommunityArguments:
    """Reads the words behind `community`; all three flags must be given.

    Raises:
        SettingError: a flag is missing, empty, unknown or given twice, the folder is no checkout,
            an approver has no name that GitHub gives, or the image none that compile takes.
    """
    texts = read_flags(words, COMMUNITY_OPTIONS)
    for name in COMMUNITY_OPTIONS:
        if not texts.get(name):
            raise SettingError(f"{name} must be given: add --{name} VALUE.")
    checkout = absolute(texts["checkout"])
    if not (checkout / "components" / "training").is_dir():
        raise SettingError(f"checkout must be one of pipelines-components; got {checkout}.")
    approvers = tuple(approver.strip() for approver in texts["approvers"].split(","))
    for approver in approvers:
        if not _GITHUB_NAME.fullmatch(approver):
            raise SettingError(f"approvers must be GitHub names; got '{approver}'.")
    _check_image(texts["image"])
    return CommunityArguments(checkout=checkout, approvers=approvers, image=texts["image"])


def _check_image(image: str) -> None:
    if not _IMAGE.fullmatch(image):
        raise SettingError(
            "image must be REGISTRY/NAME:VERSION or ...@sha256:DIGEST, in lower case and without "
            "http://; not :latest, as KFP tells by it whether a step can be reused; got "
            f"{image}."
        )
