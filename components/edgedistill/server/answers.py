"""What a server's answer means, in one sentence that says what to do."""

import json
import re
from dataclasses import dataclass
from enum import Enum, auto

from edgedistill.errors import ServerError
from edgedistill.server.login import COOKIE, TOKEN, Login

CA_FILE = "EDGEDISTILL_KFP_CA_FILE"
TIMEOUT = "EDGEDISTILL_KFP_TIMEOUT_S"

TRANSIENT_STATUSES = frozenset({429, 502, 503, 504})
"""Those of a server, or of a gateway before it, that may be there again in a moment."""

_MESSAGE_CHARACTERS = 600
_UNKNOWN_FIELD = re.compile(r'unknown field \\?"?([\w.$-]+)')
# What servers of KFP say of a file of which they do not know a field, without naming it.
_UNKNOWN_FORMAT = re.compile(
    r"unknown template format|no pipeline spec is provided|(pipeline|platform) spec is invalid"
    r"|only supports schema version"
)


class AnswerError(Exception):
    """An answer that is no success, as it came; `sentence` says what it means.

    Its text is not for users: it names neither the server nor what was wanted of it.
    """

    silence = None

    def __init__(self, status: int, message: str, *, is_page: bool = False):
        super().__init__(f"status {status}")
        self.status = status
        self.message = message
        self.is_page = is_page

    @classmethod
    def read(cls, status: int, body: str, content_type: str) -> "AnswerError":
        """The answer of that body: JSON of the server, plain text, or a page of something else."""
        if "html" in content_type or body.lstrip().startswith("<"):
            return cls(status, "", is_page=True)
        try:
            told = json.loads(body)
        except ValueError:
            return cls(status, body)
        if not isinstance(told, dict):
            return cls(status, body)
        # The two upload paths and the rest of the API each have their own names for it.
        keys = ("error_message", "message", "error")
        return cls(status, next((str(told[k]) for k in keys if told.get(k)), body))


class Silence(Enum):
    """Why there is no answer at all."""

    REFUSED = auto()
    UNKNOWN_HOST = auto()
    TIMED_OUT = auto()
    NOT_TRUSTED = auto()
    BROKEN_OFF = auto()
    NO_PROXY = auto()


MAY_BE_DONE = (Silence.TIMED_OUT, Silence.BROKEN_OFF)
"""After these it is not known whether the server did what it was asked."""


class NoAnswerError(Exception):
    """No answer came. `detail` is the system's or TLS's own word for it."""

    status = 0

    def __init__(self, silence: Silence, detail: str):
        super().__init__(silence.name)
        self.silence = silence
        self.detail = detail


class RefusedError(ServerError):
    """The server answered, and not with success."""

    def __init__(self, sentence: str, status: int):
        super().__init__(sentence)
        self.status = status


class UnreachableError(ServerError):
    """The server did not answer, or something before it said that it is not there now."""


@dataclass(frozen=True)
class Asked:
    """Of whom, and by whom, and how long it was waited for; what every sentence needs."""

    host: str
    namespace: str
    login: Login
    timeout_s: float

    def error(self, doing: str, came: AnswerError | NoAnswerError) -> ServerError:
        """The error for a user; `doing` is a verb with its object: "list pipelines"."""
        if isinstance(came, NoAnswerError):
            return UnreachableError(self._silence(doing, came))
        sentence = self._answer(doing, came)
        if came.status in TRANSIENT_STATUSES:
            return UnreachableError(sentence)
        return RefusedError(sentence, came.status)

    def _answer(self, doing: str, came: AnswerError) -> str:
        said = _said(self.login.hide(came.message))
        status = came.status
        if status == 401:
            return f"{self.host} does not know who asks (401){said}; {self._login_advice()}"
        if status == 403:
            where = f" in namespace {self.namespace}" if self.namespace else ""
            return (
                f"{self.host} does not allow this login to {doing}{where} (403){said}; ask the "
                f"cluster's administrator for that right, or check --namespace."
            )
        if status in TRANSIENT_STATUSES:
            return f"{self.host} is not available ({status}){said}; try again later."
        if came.is_page or 300 <= status < 400:
            return (
                f"{self.host} answers with a web page ({status}), not as a server of Kubeflow "
                f"Pipelines: check --host and its path, such as /pipeline; it may be the page of a "
                f"login, then {self._login_advice()}"
            )
        if status == 409:
            return f"{self.host} cannot {doing} (409): it is there already{said}."
        if status == 404 and not said:
            return (
                f"{self.host} answers 404: is --host the address of KFP's API, with its path (such "
                "as /pipeline)?"
            )
        return f"{self.host} cannot {doing} ({status}){said}.{_version_advice(came.message)}"

    def _silence(self, doing: str, came: NoAnswerError) -> str:
        return {
            Silence.REFUSED: f"{self.host} refuses the connection: is the server, or the port "
            "forwarding to it, running, and --host right?",
            Silence.UNKNOWN_HOST: f"{self.host} is not known by that name here: check --host.",
            Silence.TIMED_OUT: f"{self.host} did not {doing} within {self.timeout_s:g} s, but "
            f"may do so yet: look before you try again; {TIMEOUT} sets another time.",
            Silence.NOT_TRUSTED: f"{self.host} cannot be trusted ({came.detail}): set {CA_FILE} to "
            "the file of the authority that signed its certificate, and check https:// and port.",
            Silence.BROKEN_OFF: f"{self.host} broke off without an answer ({came.detail}); try "
            "again.",
            Silence.NO_PROXY: f"the proxy before {self.host} cannot be reached ({came.detail}): "
            "check http_proxy and https_proxy, or name the host in no_proxy.",
        }[came.silence]

    def _login_advice(self) -> str:
        if not self.login.source:
            return f"set {TOKEN}, or {COOKIE} as a browser sends it."
        return f"the login of {self.login.source} is wrong or has expired: get a new one."


def _said(message: str) -> str:
    """The server's own words, on one line and cut, to follow a clause."""
    line = " ".join(message.split()).rstrip(".")
    if len(line) > _MESSAGE_CHARACTERS:
        line = f"{line[:_MESSAGE_CHARACTERS]} ..."
    return f": {line}" if line else ""


def _version_advice(message: str) -> str:
    """What to do where a server is older than what it was sent; "" where it is not about that."""
    unknown = _UNKNOWN_FIELD.search(message)
    if unknown:
        what = f"does not know the field {unknown.group(1)}"
    elif _UNKNOWN_FORMAT.search(message):
        what = "does not understand the compiled file, and does not say which field of it"
    else:
        return ""
    return (
        f" This server {what}, so it is probably older than the kfp that compiled the file "
        "(its sdkVersion): have the server updated to that version, or compile with its own."
    )
