"""Which server is meant, in what namespace, and how it is asked: all but the connection itself."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from edgedistill.errors import SettingError
from edgedistill.server.address import UI_HOST, Address
from edgedistill.server.answers import CA_FILE, TIMEOUT
from edgedistill.server.arguments import ServerArguments
from edgedistill.server.login import Login, login_from


@dataclass(frozen=True)
class Patience:
    """How long an answer is waited for, and how long before each new try, in seconds."""

    answer_within_s: float = 60.0
    waits_s: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0, 16.0)

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Self:
        """The default, or what the environment says."""
        text = environment.get(TIMEOUT, "")
        if not text:
            return cls()
        try:
            seconds = float(text)
        except ValueError:
            seconds = 0.0
        if not 0 < seconds <= 3600:
            raise SettingError(f"{TIMEOUT} must be a number of seconds up to 3600; got {text}.")
        return cls(answer_within_s=seconds)


@dataclass(frozen=True)
class Target:
    """The server, and who asks it; `namespace`, `ca_file` and `proxy` are "" where none is given.

    `proxy` may hold a password, and is not shown.
    """

    address: Address
    namespace: str
    login: Login
    ca_file: str
    patience: Patience
    proxy: str = field(default="", repr=False)

    @classmethod
    def read(
        cls,
        host: str,
        namespace: str,
        environment: Mapping[str, str],
        patience: Patience | None = None,
    ) -> Self:
        """Reads flags and environment, and asks no server.

        Raises:
            SettingError: the address, the login, or a variable cannot be used.
        """
        ca_file = environment.get(CA_FILE, "")
        if ca_file and not Path(ca_file).is_file():
            raise SettingError(
                f"{CA_FILE} must name a file of certificates (PEM); {ca_file} is none."
            )
        login = login_from(environment)
        login.headers()  # a file that cannot be read is refused here, not in the middle
        address = Address.read(host, environment.get(UI_HOST, ""))
        return cls(
            address,
            namespace,
            login,
            ca_file,
            patience or Patience.read(environment),
            _proxy(address.host, environment),
        )

    def warning(self) -> str:
        """That a secret is sent where others can read it; "" where it is not."""
        parts = urlsplit(self.address.host)
        name = parts.hostname or ""
        if parts.scheme != "http" or _is_near(name) or not self.login.headers():
            return ""
        return (
            f"Warning: the login goes to {name} unencrypted, where others can read it: use https."
        )


def target_of(wanted: ServerArguments, environment: Mapping[str, str]) -> Target:
    """The target that flags and environment name, with its warning on standard error.

    Raises:
        SettingError: see `Target.read`.
    """
    target = Target.read(wanted.text("host"), wanted.text("namespace"), environment)
    if target.warning():
        sys.stderr.write(target.warning() + "\n")
    return target


def _is_near(host: str) -> bool:
    """Whether it is this machine, or a name that only a cluster's own DNS knows."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return "." not in host or host.endswith((".svc", ".svc.cluster.local"))


def _proxy(host: str, environment: Mapping[str, str]) -> str:
    """The proxy that the environment names for that address, as pip reads it."""
    parts = urlsplit(host)
    both = [f"{parts.scheme}_proxy", f"{parts.scheme}_proxy".upper()]
    proxy = next((environment[name] for name in both if environment.get(name)), "")
    without = environment.get("no_proxy") or environment.get("NO_PROXY", "")
    excluded = [name.strip().lstrip(".") for name in without.split(",") if name.strip()]
    name = parts.hostname or ""
    for one in excluded:
        if one in ("*", name, parts.netloc) or name.endswith(f".{one}"):
            return ""
    return proxy
