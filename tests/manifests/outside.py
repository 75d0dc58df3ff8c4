"""What the manifests refer to and do not bring; manifests/README.md has the same in a table."""

EXTERNAL = {
    "Secret": frozenset(
        {"edgedistill-bucket", "edgedistill-registry", "mlpipeline-minio-artifact"}
    ),
    "ConfigMap": frozenset({"kfp-launcher"}),
    "StorageClass": frozenset({"standard-rwx"}),
}

POD_LABELS = (
    {"workflows.argoproj.io/workflow": "edgedistill-x7k2p"},
    {"app": "ml-pipeline-ui-artifact"},
)
"""Of pods that Argo and KFP make in the namespace."""
