"""KFP interface of the component failure_report: names and types alone."""

from kfp.dsl import Markdown, Output, PipelineTaskFinalStatus

from edgedistill.contract import component
from edgedistill.settings import StepSettings


@component(StepSettings)
def failure_report(
    status: PipelineTaskFinalStatus,
    report: Output[Markdown],
    *,
    log_level: str,
) -> None:
    """Says why a run failed, and shows the end of the log of each step that did.

    For an exit handler. It asks Kubernetes about the pods of the run, for which the run's service
    account must be allowed to get and list pods, and to get their logs.

    Args:
        status: How the steps ended, as KFP hands it to an exit task.

    Returns:
        report: One section for each step that failed; one sentence where none did.
    """
    from edgedistill import logs

    logs.configure(log_level)

    from edgedistill.failure_report.step import report_failure

    report_failure(status.pipeline_job_resource_name, status.state, report.path)
