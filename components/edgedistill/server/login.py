"""Who asks: a token, a cookie or the pod's service account, from the environment or a file.

Nothing secret is ever an argument of a command: other users of a machine see those, and CI logs
them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edgedistill.errors import SettingError

TOKEN = "EDGEDISTILL_KFP_TOKEN"
TOKEN_FILE = "EDGEDISTILL_KFP_TOKEN_FILE"
COOKIE = "EDGEDISTILL_KFP_COOKIE"
COOKIE_FILE = "EDGEDISTILL_KFP_COOKIE_FILE"

POD_TOKEN_PATH = "KF_PIPELINES_SA_TOKEN_PATH"
"""The variable by which KFP itself tells a pod where its service account's token is."""

_POD_TOKEN_FILE = "/var/run/secrets/kubeflow/pipelines/token"
_SHORTEST_SECRET = 4  # what is shorter is no secret, and hiding it would garble every sentence

SECRET_FLAGS = (
    "token", "existing_token", "access_token", "cookie", "cookies", "password", "secret",
    "api_key", "credentials",
)  # fmt: skip
"""Names under which somebody may try to give a secret as a flag."""


@dataclass
class Login:
    """What a request says of who asks; a file is read anew for each, as a pod's token is renewed.

    `source` is the variable or file that the secret comes from, "" where nobody is named.
    """

    source: str = ""
    is_cookie: bool = False
    text: str = field(default="", repr=False)
    file: Path | None = None
    _sent: set[str] = field(default_factory=set, repr=False)

    def headers(self) -> dict[str, str]:
        """The headers that go with a request.

        Raises:
            SettingError: the secret cannot be read or is none; it is not shown.
        """
        if not self.source:
            return {}
        secret = self._checked(self.text if self.file is None else self._read(self.file))
        self._sent.add(secret)
        return {"Cookie": secret} if self.is_cookie else {"authorization": f"Bearer {secret}"}

    def hide(self, text: str) -> str:
        """The text without any secret that was sent, should a server repeat it."""
        for secret in self._sent:
            # Of a cookie, "name=value; name=value", the values alone are secret too.
            values = {part.partition("=")[2].strip() for part in secret.split(";")}
            for part in sorted({secret, *values}, key=len, reverse=True):
                if len(part) >= _SHORTEST_SECRET:
                    text = text.replace(part, "***")
        return text

    def _read(self, file: Path) -> str:
        try:
            return file.read_text(encoding="utf-8")
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or "it is no text"
            raise SettingError(f"{self.source} cannot be read: {reason}.") from None

    def _checked(self, text: str) -> str:
        secret = text.strip()
        if not secret or not secret.isascii() or not secret.isprintable():
            raise SettingError(f"{self.source} must hold one line of plain characters.")
        if " " in secret and not self.is_cookie:
            raise SettingError(
                f"{self.source} must hold the token alone, without blanks or the word Bearer."
            )
        return secret


def login_from(environment: Mapping[str, str]) -> Login:
    """The login that the environment names; a pod's service account where it names none.

    Raises:
        SettingError: more than one is named.
    """
    given = [n for n in (TOKEN, TOKEN_FILE, COOKIE, COOKIE_FILE) if environment.get(n)]
    if len(given) > 1:
        raise SettingError(f"{' and '.join(given)} are set, but one login is wanted: unset one.")
    if given:
        name, value = given[0], environment[given[0]]
        is_cookie = name in (COOKIE, COOKIE_FILE)
        if name in (TOKEN, COOKIE):
            return Login(name, is_cookie, text=value)
        return Login(f"{value} ({name})", is_cookie, file=Path(value))
    pod_token = Path(environment.get(POD_TOKEN_PATH) or _POD_TOKEN_FILE)
    if environment.get(POD_TOKEN_PATH) or pod_token.is_file():
        return Login(f"{pod_token} (the pod's service account)", file=pod_token)
    return Login()


def refuse_secret_flags(words: Sequence[str]) -> None:
    """Refuses a secret on the command line, without showing it.

    Raises:
        SettingError: a flag of such a name is among the words.
    """
    for word in words:
        name = word.removeprefix("--").partition("=")[0]
        if word.startswith("--") and name.lower().replace("-", "_") in SECRET_FLAGS:
            raise SettingError(
                f"--{name} does not exist: other users and CI's log see a command line. Set "
                f"{TOKEN} or {COOKIE}, or {TOKEN_FILE} or {COOKIE_FILE} to a file."
            )
