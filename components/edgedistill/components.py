"""The components, for pipelines of one's own."""

from edgedistill.calibrate.component import calibrate
from edgedistill.distiller.component import distiller
from edgedistill.evaluate.component import evaluate
from edgedistill.failure_report.component import failure_report
from edgedistill.merge_shards.component import merge_shards
from edgedistill.qat_export.component import qat_export
from edgedistill.scan.component import scan
from edgedistill.scan_shard.component import scan_shard
from edgedistill.split.component import split
from edgedistill.teacher.component import teacher

__all__ = [
    "calibrate",
    "distiller",
    "evaluate",
    "failure_report",
    "merge_shards",
    "qat_export",
    "scan",
    "scan_shard",
    "split",
    "teacher",
]
