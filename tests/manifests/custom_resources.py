"""The schema of KFP's own objects, by the fields that its custom resource definitions have.

kubernetes-validate knows no custom resources, warns and passes them. Fields of
pipelines.kubeflow.org/v2beta1 as KFP 2.17 has them; none else is allowed, as kubectl asks the
server to refuse unknown fields.
"""

from typing import Any

GROUP_VERSION = "pipelines.kubeflow.org/v2beta1"

_TEXT = {"type": "string"}
_METADATA = {
    "type": "object",
    "required": ["name", "namespace"],
    "properties": {
        "name": _TEXT,
        "namespace": _TEXT,
        "labels": {"type": "object", "additionalProperties": _TEXT},
        "annotations": {"type": "object", "additionalProperties": _TEXT},
    },
    "additionalProperties": False,
}


def _schema(kind: str, spec: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "additionalProperties": False,
        "properties": {
            "apiVersion": {"const": GROUP_VERSION},
            "kind": {"const": kind},
            "metadata": _METADATA,
            "spec": {
                "type": "object",
                "required": required,
                "additionalProperties": False,
                "properties": spec,
            },
        },
    }


SCHEMAS = {
    "Pipeline": _schema("Pipeline", {"description": _TEXT, "displayName": _TEXT}, []),
    "PipelineVersion": _schema(
        "PipelineVersion",
        {
            "codeSourceURL": _TEXT,
            "description": _TEXT,
            "displayName": _TEXT,
            "pipelineName": _TEXT,
            "pipelineSpec": {"type": "object"},
            "pipelineSpecURI": _TEXT,
            "platformSpec": {"type": "object"},
        },
        ["pipelineSpec", "pipelineName"],
    ),
}
