"""What --help says of the commands that speak to a server; their flags follow each text."""

from edgedistill.server.address import UI_HOST
from edgedistill.server.answers import CA_FILE, TIMEOUT
from edgedistill.server.arguments import (
    LIST_OPTIONS,
    PUBLISH_OPTIONS,
    SCHEDULE_OPTIONS,
    STOP_OPTIONS,
    SUBMIT_OPTIONS,
    Options,
)
from edgedistill.server.login import COOKIE, COOKIE_FILE, POD_TOKEN_PATH, TOKEN, TOKEN_FILE

SERVER_LOGIN = f"""\
Login, from the environment alone: a command line is seen by others, so no flag takes a secret.
  {TOKEN}, or {TOKEN_FILE} with a file that holds it
  {COOKIE}, or {COOKIE_FILE}: what a browser sends, name=value
  nothing: in a pod the token of its service account, where {POD_TOKEN_PATH} or
      the usual path says that it is; elsewhere no login
  {CA_FILE}: certificates (PEM) of the authority that signed the server's
  {TIMEOUT}: how long an answer is waited for, in seconds; left out: 60
  {UI_HOST}: the dashboard's address for links, where it is not --host
  http_proxy, https_proxy, no_proxy: as other programs read them"""

_PUBLISH = """\
python pipeline.py publish --host URL --namespace N [--pipeline_name P] [--name value ...]

Leaves a version with the compiled file's content on the server: uploaded if none has that content,
else nothing is, and the line says so. A version is never changed: the same --version_name with
other content is refused. Exit status 0: it is there; 2: something is to be mended."""

_SUBMIT = """\
python pipeline.py submit --host URL --namespace N --experiment E [--name value ...]

Starts a run of a published pipeline, or of a file, with every parameter sent, so that the
dashboard's compare page shows them all. Names beside the flags below are the pipeline's parameters:
python pipeline.py run --help lists the settings among them. Lists and objects are JSON.
With --wait true a line tells when a task's state changes. Exit status 0: succeeded, or started;
1: failed; 2: something is to be mended; 4: cancelled; 5: not ended within --timeout_s."""

_SCHEDULE = """\
python pipeline.py recurring schedule --host URL --namespace N --experiment E --job_name J
    (--cron TEXT | --interval_s N) [--name value ...]

Has the server start a run again and again, of one version, with every parameter sent. A job of that
name with the same settings is left as it is, one with others is refused but for --replace true.
Times are the server's, UTC if nobody set others. Without --pipeline_file F --enable_caching false
the server reuses every step of the run before, also where the photos are others by now.
Exit status 0: it is scheduled; 2: something is to be mended."""

_LIST = """\
python pipeline.py recurring list --host URL --namespace N

Lists what this command scheduled."""

_STOP = """\
python pipeline.py recurring stop --host URL --namespace N --job_name J

Ends what this command scheduled under that name; the runs that it started stay."""

SERVER_USAGES: dict[str, list[tuple[str, Options]]] = {
    "publish": [(_PUBLISH, PUBLISH_OPTIONS)],
    "submit": [(_SUBMIT, SUBMIT_OPTIONS)],
    "recurring": [(_SCHEDULE, SCHEDULE_OPTIONS), (_LIST, LIST_OPTIONS), (_STOP, STOP_OPTIONS)],
}
"""The pages of each command: text, and the flags of it."""
