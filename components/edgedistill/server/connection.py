"""The one way to the server: kfp's client, without what it prints, waits for and gets wrong.

kfp's own client asks for ever where a server is silent, follows a login page and takes it for an
answer, ends a certificate that is not trusted in an AttributeError, takes its namespace from a file
in the home folder, and writes one there. What replaces that is bound to the version of kfp that
setup.cfg names.
"""

import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self, TypeVar
from urllib.parse import unquote

import kfp_server_api
import urllib3
from kfp_server_api import rest

from edgedistill.errors import SettingError
from edgedistill.quiet_kfp import kfp_silenced
from edgedistill.server.answers import (
    MAY_BE_DONE,
    TRANSIENT_STATUSES,
    AnswerError,
    Asked,
    NoAnswerError,
    Silence,
)
from edgedistill.server.login import Login
from edgedistill.server.target import Target

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import kfp

POD_NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_PAGE_SIZE = 100
_CONNECT_WITHIN_S = 10.0
T = TypeVar("T")


class Connection:
    """A server that was asked once whether it is one.

    `namespace` is "" on a server that keeps none apart; `client` is kfp's.
    """

    def __init__(self, target: Target):
        self.address = target.address
        self.namespace = target.namespace
        self._login = target.login
        self._patience = target.patience
        self.client = _Client(target)

    @classmethod
    def open(cls, target: Target) -> Self:
        """Connects, and asks whether the server keeps namespaces apart.

        Raises:
            SettingError: it does, and none is given.
            ServerError: the server cannot be reached, or is none of KFP.
        """
        connection = cls(target)
        connection._settle_namespace()
        return connection

    def call(
        self,
        doing: str,
        function: Callable[[], T],
        *,
        again: bool = True,
        done: Callable[[], T | None] = lambda: None,
    ) -> T:
        """What `function` gives, which asks the server once.

        Args:
            doing: a verb with its object, for the sentence of an error.
            function: is called again where the server was not available.
            again: false where it must not be.
            done: looks, where the answer was lost, whether the server did it all the same, and
                gives what `function` would have given; None where it did not. It looks directly
                before each new try, and before this gives up.

        Raises:
            ServerError: the server refuses, or cannot be reached.
        """
        waits_s = iter(self._patience.waits_s if again else ())
        while True:
            try:
                with kfp_silenced():
                    return function()
            except (AnswerError, NoAnswerError) as came:
                is_transient = came.status in TRANSIENT_STATUSES
                wait_s = next(waits_s, None) if is_transient else None
                # First the wait: what a gateway gave up on, the server may finish meanwhile.
                time.sleep(wait_s or 0.0)
                is_lost = is_transient or came.silence in MAY_BE_DONE
                result = done() if is_lost else None
                if result is not None:
                    return result
                if wait_s is None:
                    raise self._asked.error(doing, came) from None

    def pages(
        self, doing: str, ask: Callable[..., Any], what: str, *, page_size: int = _PAGE_SIZE
    ) -> Iterator[Any]:
        """All that `ask`, a list function of kfp's client, lists under the name `what`.

        A page is asked for when it is needed.
        """
        token = ""
        while True:

            def page(token: str = token) -> Any:
                return ask(page_token=token, page_size=page_size)

            answer = self.call(doing, page)
            yield from getattr(answer, what) or ()
            token = answer.next_page_token
            if not token:
                return

    @property
    def _asked(self) -> Asked:
        return Asked(self.address.host, self.namespace, self._login, self._patience.answer_within_s)

    def _settle_namespace(self) -> None:
        health = self.call(
            "say whether it keeps namespaces apart",
            self.client.healthzs.healthz_service_get_healthz,
        )
        if health.multi_user is not True:
            self.namespace = ""
        elif not self.namespace:
            if not POD_NAMESPACE_FILE.is_file():
                raise SettingError(
                    f"namespace must be given, as {self.address.host} keeps them apart: add "
                    "--namespace NAME."
                )
            self.namespace = POD_NAMESPACE_FILE.read_text(encoding="utf-8").strip()
        self.client.namespace = self.namespace


class _Client(kfp.Client):  # type: ignore[misc]
    """kfp's client, told everything: it looks into no home folder and asks nothing by itself."""

    def __init__(self, target: Target):
        self.namespace = ""
        host = target.address.host
        self._given = kfp_server_api.Configuration(host=host)
        self._given.ssl_ca_cert = target.ca_file or None
        if target.proxy:
            self._given.proxy = target.proxy
            self._given.proxy_headers = urllib3.make_headers(
                proxy_basic_auth=unquote(urllib3.util.parse_url(target.proxy).auth or "") or None
            )
        # False, not 0: a redirection, which is to a login, is an answer then, and not followed.
        self._given.retries = False
        with kfp_silenced():
            # With a namespace it does not ask the server for one; it is not used for more.
            super().__init__(host=host, namespace="given")
        self.runs.api_client.rest_client = _Rest(
            self._given, target.login, target.patience.answer_within_s
        )

    def get_user_namespace(self) -> str:
        return self.namespace

    def _load_config(self, *_: Any) -> Any:
        return self._given

    def _load_context_setting_or_default(self) -> None:
        self._context_setting = {"namespace": ""}


class _Rest(rest.RESTClientObject):  # type: ignore[misc]
    """Adds the login and the time limit to a request; what is no success it raises as it came."""

    def __init__(self, configuration: Any, login: Login, answer_within_s: float):
        super().__init__(configuration)
        self._login = login
        self._within_s = (min(_CONNECT_WITHIN_S, answer_within_s), answer_within_s)

    def request(self, method: str, url: str, **options: Any) -> Any:
        options["headers"] = {**(options.get("headers") or {}), **self._login.headers()}
        options["_request_timeout"] = self._within_s
        try:
            answer = super().request(method, url, **options)
        except kfp_server_api.ApiException as error:
            if not error.status:  # its way to tell of TLS
                raise NoAnswerError(Silence.NOT_TRUSTED, _last(str(error.reason))) from None
            body = (error.body or b"").decode("utf-8", "replace")
            content_type = (error.headers or {}).get("content-type", "")
            raise AnswerError.read(error.status, body, content_type) from None
        except urllib3.exceptions.HTTPError as error:
            raise NoAnswerError(_silence(error), _last(str(error))) from None
        if not answer.data.lstrip().startswith(b"{"):
            raise AnswerError(answer.status, "", is_page=True)
        return answer


def _silence(error: urllib3.exceptions.HTTPError) -> Silence:
    if isinstance(error, urllib3.exceptions.ProxyError):
        return Silence.NO_PROXY
    if isinstance(error, urllib3.exceptions.NameResolutionError):
        return Silence.UNKNOWN_HOST
    if isinstance(error, urllib3.exceptions.NewConnectionError):
        return Silence.REFUSED
    if isinstance(error, urllib3.exceptions.TimeoutError):
        return Silence.TIMED_OUT
    return Silence.BROKEN_OFF


def _last(text: str) -> str:
    """The innermost cause of what libraries nest: the part behind the last colon."""
    return " ".join(text.split()).rpartition(": ")[2].strip(" ()'\",")
