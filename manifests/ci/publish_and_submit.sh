#!/usr/bin/env bash
# Checks the compiled pipeline, publishes it, starts a run of it and follows the run to its end:
# for any CI. Exit status as of python pipeline.py submit: 0 succeeded, 1 failed, 2 something is to
# be mended, 4 cancelled, 5 not ended in time.
#
#   KFP_HOST          address of the server, https://...                         must be set
#   KFP_NAMESPACE     namespace of the pipeline and its runs                     must be set
#   DATA_DIR          photos: gs://..., s3://...                               must be set
#   IMAGE             image of the steps with its registry, which the cluster pulls; as compiled if
#                     not set
#   EDGEDISTILL_KFP_TOKEN (or _TOKEN_FILE, _COOKIE, _COOKIE_FILE): the login, of the CI's secrets
#   KFP_EXPERIMENT    experiment of the run; edgedistill if not set
#   PIPELINE_NAME     pipeline that is published; edgedistill if not set
#   PIPELINE_FILE     compiled file, if IMAGE is not set; manifests/pipeline.yaml if neither is
#   CHECK_COMPILED    false: do not compile again to see whether the committed files are current
#   TIMEOUT_S         longest time that the run is followed; 86400 if not set
#   PYTHON            interpreter with edgedistill installed; python if not set
#
# Arguments are parameters of the pipeline: publish_and_submit.sh --epochs_teacher 20
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

mend() {
    echo "$1" >&2
    exit 2
}
[ -n "${KFP_HOST:-}" ] || mend "KFP_HOST must be set to the address of the server."
[ -n "${KFP_NAMESPACE:-}" ] || mend "KFP_NAMESPACE must be set to the namespace."
[ -n "${DATA_DIR:-}" ] || mend "DATA_DIR must be set to the place of the photos."
python="${PYTHON:-python}"
server=(--host "$KFP_HOST" --namespace "$KFP_NAMESPACE")
pipeline=(--pipeline_name "${PIPELINE_NAME:-edgedistill}")

if [ "${CHECK_COMPILED:-true}" = true ]; then
    "$python" pipeline.py compile || mend "The pipeline cannot be compiled."
    git diff --exit-code -- manifests components \
        || mend "The committed files are not what the code compiles to: commit the new ones."
fi

made="$(mktemp -d)"
trap 'rm -rf "$made"' EXIT
file="${PIPELINE_FILE:-manifests/pipeline.yaml}"
if [ -n "${IMAGE:-}" ]; then
    "$python" pipeline.py compile --image "$IMAGE" --output_folder "$made" \
        || mend "The pipeline cannot be compiled with image $IMAGE."
    file="$made/pipeline.yaml"
fi

# The newest version need not be this one: it may be another's, or this content may be older.
told="$made/told.json"
"$python" pipeline.py publish "${server[@]}" "${pipeline[@]}" --output_file "$told" \
    --pipeline_file "$file"
version="$("$python" -c 'import json, sys; print(json.load(sys.stdin)["version_name"])' < "$told")"

"$python" pipeline.py submit "${server[@]}" "${pipeline[@]}" --version_name "$version" \
    --experiment "${KFP_EXPERIMENT:-edgedistill}" --data_dir "$DATA_DIR" \
    --wait true --timeout_s "${TIMEOUT_S:-86400}" "$@"
