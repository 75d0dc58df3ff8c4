"""What is refused before a run's first step: places that are not there, weights that do not fit."""

from collections.abc import Mapping
from pathlib import Path

from edgedistill import reuse
from edgedistill.checkpoints import check_place
from edgedistill.declaration import Value
from edgedistill.output_folder import check_output_dir
from edgedistill.scan.sources.collection import check_data_dir
from edgedistill.scan.sources.data_fingerprint import data_fingerprint
from edgedistill.scan.sources.unknown_photos import check_unknown_uri
from edgedistill.settings import DOWNLOADED_NETWORKS, IMAGENET, WEIGHTS_WORDS, TeacherSettings
from edgedistill.storage.s3 import use_endpoint
from edgedistill.storage.writing import check_target
from edgedistill.weights_file import check_weights


def check_before_run(
    settings: Mapping[str, Value], output_dir: Path, *, overwrite: bool, downloads: bool = True
) -> dict[str, str]:
    """Refuses what can be refused before any work; gives the steps' keys for reuse.

    Args:
        settings: every setting with its value, places made absolute.
        output_dir: of the run.
        overwrite: whether an earlier run of other settings may be replaced.
        downloads: whether weights that are downloaded would come to this machine; an image
            brings its own.

    Raises:
        EdgedistillError: says what must be mended.
    """
    check_data(settings)
    check_output_dir(output_dir, settings, overwrite=overwrite)
    if settings["export_uri"]:
        check_target(str(settings["export_uri"]), name="export_uri")
    if settings["checkpoint_uri"]:
        check_place(str(settings["checkpoint_uri"]))
    check_pretrained(settings, downloads=downloads)
    check_baseline(settings)
    fingerprint = data_fingerprint(str(settings["data_dir"]), str(settings["unknown_uri"]))
    return reuse.step_keys(settings, fingerprint)


def check_data(settings: Mapping[str, Value]) -> None:
    """Refuses photos that are not there.

    Raises:
        EdgedistillError: says which.
    """
    use_endpoint(str(settings["s3_endpoint"]))
    check_data_dir(str(settings["data_dir"]))
    if settings["unknown_uri"]:
        check_unknown_uri(str(settings["unknown_uri"]))


def check_pretrained(settings: Mapping[str, Value], *, downloads: bool = True) -> None:
    """Refuses weights that cannot be had; those to download are asked for where `downloads`.

    Raises:
        WeightsError: says which.
    """
    teacher = TeacherSettings.choose(settings)
    for network, weights in (
        *zip(teacher.teacher_archs, teacher.teacher_starts, strict=True),
        ("efficientnet_lite1", str(settings["student_weights"])),
    ):
        is_elsewhere = weights not in WEIGHTS_WORDS
        is_download = weights == IMAGENET and network in DOWNLOADED_NETWORKS
        if is_elsewhere or (is_download and downloads):
            check_weights(network, weights)


def check_baseline(settings: Mapping[str, Value]) -> None:
    """Refuses an earlier bundle that is not there, or takes other images, before hours of training.

    Raises:
        EdgedistillError: says which.
    """
    if settings["baseline_uri"]:
        # Here and not above: LiteRT, which few runs need this early.
        from edgedistill.evaluate.baseline import read_baseline

        read_baseline(str(settings["baseline_uri"])).require_size(int(settings["student_img_size"]))
