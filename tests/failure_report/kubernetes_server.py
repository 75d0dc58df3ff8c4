"""A stand-in for Kubernetes' API: lists the pods it was given, and gives their logs.

It knows label selectors, tokens, namespaces and tail_lines, and speaks TLS, as the real one does.
"""

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import trustme

TOKEN = "token-of-the-pod"
NAMESPACE = "photos"


@dataclass
class KubernetesServer:
    """`refusal`: the status that every request is answered with, if not 0."""

    pods: list[dict[str, Any]] = field(default_factory=list)
    logs: dict[str, str] = field(default_factory=dict)
    refusal: int = 0
    port: int = 0

    def answer(self, path: str, authorization: str) -> tuple[int, str, str]:
        """Status, type and body."""
        if self.refusal:
            return self.refusal, "application/json", json.dumps({"kind": "Status"})
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or token != TOKEN:
            return 401, "application/json", json.dumps({"kind": "Status"})
        split = urlsplit(path)
        query = {name: values[0] for name, values in parse_qs(split.query).items()}
        start = f"/api/v1/namespaces/{NAMESPACE}/pods"
        if split.path == start:
            return 200, "application/json", json.dumps(self._list(query.get("labelSelector", "")))
        name = split.path.removeprefix(f"{start}/").removesuffix("/log")
        if name not in self.logs or query["container"] != "main":
            return 404, "application/json", json.dumps({"kind": "Status"})
        lines = self.logs[name].splitlines(keepends=True)
        return 200, "text/plain", "".join(lines[-int(query["tailLines"]) :])

    def _list(self, selector: str) -> dict[str, Any]:
        wanted = dict(term.split("=") for term in selector.split(",") if term)
        items = [pod for pod in self.pods if wanted.items() <= pod["metadata"]["labels"].items()]
        return {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items}


@contextmanager
def serve(server: KubernetesServer, account: Path) -> Iterator[None]:
    """Runs it, and writes what it gives a pod (token, ca.crt, namespace) into `account`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, kind, body = server.answer(self.path, self.headers.get("Authorization", ""))
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: Any) -> None: ...

    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    account.mkdir(exist_ok=True)
    authority.cert_pem.write_to_path(str(account / "ca.crt"))
    (account / "token").write_text(TOKEN)
    (account / "namespace").write_text(NAMESPACE)
    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.socket = context.wrap_socket(http.socket, server_side=True)
    server.port = http.server_address[1]
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
