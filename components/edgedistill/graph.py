"""The pipeline, wired once; what differs between this machine and a cluster is put around it."""

import functools
from typing import Any, NamedTuple

from kfp.dsl import HTML, Dataset, ExitHandler, Model

from edgedistill.cluster_parameters import CLUSTER_VARIANTS, ClusterVariant
from edgedistill.components import (
    calibrate,
    distiller,
    evaluate,
    failure_report,
    qat_export,
    split,
    teacher,
)
from edgedistill.contract import Parameters, pipeline
from edgedistill.inner_inputs import declare_inner_inputs
from edgedistill.on_cluster import Cluster
from edgedistill.scan_graph import PlaceTask, scan_collection
from edgedistill.settings import all_settings

LOCAL = "local"


class Outputs(NamedTuple):
    """What a local run collects its output folder from."""

    catalog: Dataset
    scan_report: HTML
    train: Dataset
    val: Dataset
    test: Dataset
    calib: Dataset
    teacher: Model
    student: Model
    tflite: Model
    predictions: Dataset
    bundle: Model


@functools.cache
def build(variant: str, image: str = "", scan_shards: int = 1) -> Any:
    """The pipeline as KFP's compiler and runner take it.

    Args:
        variant: `LOCAL`, or one of `CLUSTER_VARIANTS`.
        image: of the steps on a cluster; "": `contract.BASE_IMAGE`.
        scan_shards: pods that share the work of scan; on this machine one step does it.
    """
    if variant == LOCAL:
        return _on_this_machine()
    return _on_cluster(CLUSTER_VARIANTS[variant], image, scan_shards)


def wire(given: Parameters, place: PlaceTask, scan_shards: int = 1) -> Outputs:
    """The seven steps and what passes between them."""
    # KFP's compare table heads its columns "<display name> > metrics": nouns read well there.
    scanned = scan_collection(given, place, scan_shards)
    catalog = scanned.outputs["catalog"]

    parts = place("split", split(catalog=catalog, **given.of("split")))
    parts.set_display_name("Split")
    train, val, test, calib = (parts.outputs[name] for name in ("train", "val", "test", "calib"))

    taught = place("teacher", teacher(train=train, val=val, **given.of("teacher")))
    taught.set_display_name("Teacher")
    teacher_model = taught.outputs["model"]

    distilled = place(
        "distiller",
        distiller(train=train, val=val, teacher=teacher_model, **given.of("distiller")),
    ).set_display_name("Student")
    student = distilled.outputs["model"]

    exported = place(
        "qat_export",
        qat_export(
            train=train, val=val, student=student, teacher=teacher_model, **given.of("qat_export")
        ),
    ).set_display_name("Quantised file")
    tflite = exported.outputs["tflite"]

    evaluated = place(
        "evaluate",
        evaluate(
            test=test, tflite=tflite, student=student, teacher=teacher_model, **given.of("evaluate")
        ),
    ).set_display_name("Test of the file")
    predictions = evaluated.outputs["predictions"]

    calibrated = place(
        "calibrate",
        calibrate(calib=calib, predictions=predictions, tflite=tflite, **given.of("calibrate")),
    ).set_display_name("Threshold and bundle")

    return Outputs(
        catalog, scanned.outputs["report"], train, val, test, calib,
        teacher_model, student, tflite, predictions, calibrated.outputs["bundle"],
    )  # fmt: skip


def _on_this_machine() -> Any:
    @pipeline(
        name="edgedistill",
        display_name="edgedistill: photos to an int8 classifier",
        parameters=all_settings(),
    )
    def edgedistill(given: Parameters) -> Outputs:
        """Turns folders of photos into an int8 TFLite image classifier for phones."""
        return wire(given, lambda step, task: task)

    return edgedistill


def _on_cluster(variant: ClusterVariant, image: str, scan_shards: int) -> Any:
    @pipeline(
        name=variant.pipeline_name,
        display_name=variant.display_name,
        parameters=variant.parameters(),
    )
    def edgedistill(given: Parameters) -> None:
        """Turns folders of photos into an int8 TFLite image classifier for phones."""
        cluster = Cluster(given, variant, image)
        report = cluster.place("failure_report", failure_report(**given.of("failure_report")))
        report.set_display_name("What happened").set_caching_options(False)  # of this run
        with ExitHandler(report, name="Steps"):
            wire(given, cluster.place, scan_shards)

    declare_inner_inputs(edgedistill.pipeline_spec)
    return edgedistill
