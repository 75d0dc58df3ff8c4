"""What comes of each kind of answer, and of none: with kfp's own client over real HTTP."""

import base64
import datetime
import ipaddress
import socket
import time
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from edgedistill.errors import EdgedistillError, ServerError, SettingError
from edgedistill.server import connection as connection_module
from edgedistill.server.answers import CA_FILE, TIMEOUT, RefusedError, UnreachableError
from edgedistill.server.connection import Connection
from edgedistill.server.login import COOKIE, TOKEN, TOKEN_FILE
from edgedistill.server.published import find_pipeline, versions_of
from edgedistill.server.target import Patience, Target
from tests.server.conftest import Connect
from tests.server.stand_in import Fault, StandIn, serve

PAGE = "<!doctype html><html><body>Log in</body></html>"


def sentence_of(connect: Connect, **options: Any) -> str:
    with pytest.raises(EdgedistillError) as refused:
        find_pipeline(connect(**options), "p", "team")
    sentence = str(refused.value)
    assert "\n" not in sentence
    assert refused.value.__cause__ is None
    return sentence


def test_the_namespace_is_the_one_given_where_the_server_keeps_them_apart(
    server: StandIn, connect: Connect
) -> None:
    connection = connect("team")
    assert connection.namespace == connection.client.get_user_namespace() == "team"
    assert [r.path for r in server.requests] == ["/apis/v2beta1/healthz"]


def test_a_server_of_one_user_is_told_of_no_namespace(server: StandIn, connect: Connect) -> None:
    server.multi_user = False
    assert connect("team").namespace == ""


def test_a_namespace_must_be_given_outside_a_pod(
    connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "POD_NAMESPACE_FILE", tmp_path / "namespace")
    with pytest.raises(SettingError, match="namespace must be given"):
        connect("")
    (tmp_path / "namespace").write_text("other\n")
    assert connect("").namespace == "other"


def test_home_folder_and_kfps_variables_are_left_alone(
    server: StandIn, connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = tmp_path / ".config" / "kfp" / "context.json"
    context.parent.mkdir(parents=True)
    text = '{"namespace": "foreign", "client_authentication_cookie": "foreign=1"}'
    context.write_text(text)
    import kfp

    monkeypatch.setattr(kfp.Client, "_LOCAL_KFP_CONTEXT", str(context))
    monkeypatch.setenv("KF_PIPELINES_ENDPOINT", "http://127.0.0.1:9")
    connection = connect("kubeflow")  # the name that kfp takes for none
    server.namespaces = ("kubeflow",)
    assert connection.client.get_user_namespace() == "kubeflow"
    assert find_pipeline(connection, "p", "kubeflow") is None
    assert context.read_text() == text
    assert all("cookie" not in request.headers for request in server.requests)


def test_lists_are_read_to_their_end(server: StandIn, connect: Connect) -> None:
    pipeline_id = server.add_pipeline("p", "team")["pipeline_id"]
    for number in range(5):
        server.versions.append(
            {"pipeline_id": pipeline_id, "pipeline_version_id": f"v{number}",
             "display_name": f"v{number}", "created_at": f"2026-01-0{number + 1}T00:00:00Z"}
        )  # fmt: skip
    names = [v.display_name for v in versions_of(connect(), pipeline_id)]
    assert names == ["v4", "v3", "v2", "v1", "v0"]
    assert len(server.sent("GET .*/versions")) == 3  # two a page


def test_the_look_up_is_in_the_namespace_alone(server: StandIn, connect: Connect) -> None:
    server.add_pipeline("p", "other")
    shared = server.add_pipeline("p", "")
    assert find_pipeline(connect(), "p", "team") is None
    found: Any = find_pipeline(connect(), "p", "")
    assert found.pipeline_id == shared["pipeline_id"]


def test_each_request_says_who_asks(server: StandIn, connect: Connect, tmp_path: Path) -> None:
    server.token = "t0ken-one"
    file = tmp_path / "token"
    file.write_text("t0ken-one")
    connection = connect(**{TOKEN_FILE: str(file)})
    server.token = "t0ken-two"
    file.write_text("t0ken-two")  # as the cluster does with a pod's
    assert find_pipeline(connection, "p", "team") is None
    server.token, server.cookie = "", "authservice_session=c00kie"
    assert connect(**{COOKIE: "authservice_session=c00kie"}).namespace == "team"


@pytest.mark.parametrize("variable", [TOKEN, COOKIE])
def test_a_server_that_repeats_a_secret_does_not_make_us_show_it(
    variable: str, server: StandIn, connect: Connect
) -> None:
    server.faults = [
        Fault(
            "GET .*/pipelines",
            status=400,
            body='{"message": "bad header k=t0p-s3cret, t0p-s3cret"}',
        )
    ]
    sentence = sentence_of(connect, **{variable: "k=t0p-s3cret"})
    assert "bad header" in sentence
    assert "t0p-s3cret" not in sentence


@pytest.mark.parametrize(
    ("fault", "says"),
    [(Fault(status=400, body='{"message": "Invalid input: page\\nsize."}'),
      "cannot look for pipeline p (400): Invalid input: page size."),
     (Fault(status=400, body='{"error_message": "of uploads"}'), "(400): of uploads."),
     (Fault(status=400, body="plain words", content_type="text/plain"), "(400): plain words."),
     (Fault(status=401), "does not know who asks (401)"),
     (Fault(status=403, body='{"message": "no"}'),
      "does not allow this login to look for pipeline p in namespace team (403): no; ask the"),
     (Fault(status=403, body=PAGE, content_type="text/html"), "in namespace team (403); ask the"),
     (Fault(status=404, body='{"message": "Not Found"}'), "(404): Not Found."),
     (Fault(status=404, body=""), "answers 404: is --host the address of KFP's API, with its "
      "path (such as /pipeline)?"),
     (Fault(status=409, body="{}"), "it is there already"),
     (Fault(status=500, body='{"message": "a database"}'), "(500): a database."),
     (Fault(status=404, body=PAGE, content_type="text/html"), "answers with a web page (404)"),
     (Fault(status=200, body=PAGE, content_type="text/html"), "answers with a web page (200)"),
     (Fault(status=200, body="hello", content_type="text/plain"), "answers with a web page (200)"),
     (Fault(status=302, body="", content_type="text/html"), "answers with a web page (302)")],
    ids=lambda value: value if isinstance(value, str) else str(value.status),
)  # fmt: skip
def test_a_refusal_is_one_sentence(
    fault: Fault, says: str, server: StandIn, connect: Connect
) -> None:
    server.faults = [Fault(**{**vars(fault), "matches": "GET .*/pipelines"})]
    sentence = sentence_of(connect)
    assert sentence.startswith(server.url)
    assert says in sentence
    assert PAGE not in sentence


def test_a_login_page_is_not_followed(server: StandIn, connect: Connect) -> None:
    server.faults = [Fault(status=302, body="", content_type="text/html")]
    with pytest.raises(RefusedError, match="answers with a web page"):
        connect(**{TOKEN: "t0ken"})
    assert [r.path for r in server.requests] == ["/apis/v2beta1/healthz"]


def test_without_a_login_401_says_how_to_give_one_and_with_one_which_is_wrong(
    server: StandIn, connect: Connect
) -> None:
    server.token = "right"
    with pytest.raises(RefusedError, match=f"set {TOKEN}, or {COOKIE}"):
        connect()
    with pytest.raises(RefusedError, match=f"the login of {TOKEN} is wrong or has expired"):
        connect(**{TOKEN: "wrong"})


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_server_that_is_back_soon_is_waited_for(
    status: int, server: StandIn, connect: Connect
) -> None:
    server.faults = [Fault("GET .*/pipelines", times=3, status=status)]
    assert find_pipeline(connect(), "p", "team") is None
    assert len(server.sent("GET .*/pipelines")) == 4


def test_a_server_that_stays_away_is_given_up(server: StandIn, connect: Connect) -> None:
    server.faults = [Fault("GET .*/pipelines", times=9, body="<html>nginx</html>")]
    assert "is not available (503); try again later." in sentence_of(connect)
    assert len(server.sent("GET .*/pipelines")) == 4  # and three waits between


def test_the_waits_grow(server: StandIn, connect: Connect) -> None:
    server.faults = [Fault("GET .*/pipelines", times=9)]
    started = time.monotonic()
    sentence_of(connect, patience=Patience(answer_within_s=5, waits_s=(0.1, 0.3)))
    assert 0.4 <= time.monotonic() - started < 2


def test_a_closed_port_is_a_refused_connection() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    started = time.monotonic()
    with pytest.raises(UnreachableError, match="refuses the connection"):
        Connection.open(Target.read(f"http://127.0.0.1:{port}", "team", {}))
    assert time.monotonic() - started < 1  # nothing is tried again


def test_an_unknown_host_is_named() -> None:
    with pytest.raises(UnreachableError, match=r"no-such-host\.invalid is not known"):
        Connection.open(Target.read("http://no-such-host.invalid", "team", {}))


def test_a_server_that_does_not_answer_is_not_waited_for_longer_than_said(
    server: StandIn, connect: Connect
) -> None:
    server.faults = [Fault("GET .*/pipelines", delay_s=1.5)]
    started = time.monotonic()
    sentence = sentence_of(connect, patience=Patience(answer_within_s=0.3))
    assert "did not look for pipeline p within 0.3 s" in sentence
    assert TIMEOUT in sentence
    assert time.monotonic() - started < 1.2


def test_a_connection_that_breaks_off_is_told(server: StandIn, connect: Connect) -> None:
    server.faults = [Fault("GET .*/pipelines", status=0)]
    assert "broke off without an answer" in sentence_of(connect)


def test_a_proxy_of_the_environment_is_asked_in_place_of_the_server(
    server: StandIn, connect: Connect
) -> None:
    # The stand-in takes a proxy's requests, which name the whole address, for its own.
    proxy = server.url.replace("http://", "http://me:pa%40ss@")
    connection = connect(host="http://kubeflow.internal:81", http_proxy=proxy)
    assert find_pipeline(connection, "p", "team") is None
    assert {r.headers["host"] for r in server.requests} == {"kubeflow.internal:81"}
    basic = base64.b64encode(b"me:pa@ss").decode()
    assert {r.headers["proxy-authorization"] for r in server.requests} == {f"Basic {basic}"}


@pytest.mark.parametrize(
    ("without", "is_asked"),
    [("", True), ("kf.my.org", False), ("my.org", False), (".my.org,x", False), ("*", False),
     ("x, kf.my.org:81", False), ("y.org", True), ("f.my.org", True), ("kf.my.org:82", True)],
)  # fmt: skip
def test_a_name_of_no_proxy_is_a_host_or_a_domain(without: str, is_asked: bool) -> None:
    environment = {"https_proxy": "http://proxy:3128", "http_proxy": "other", "no_proxy": without}
    target = Target.read("https://kf.my.org:81/pipeline", "team", environment)
    assert target.proxy == ("http://proxy:3128" if is_asked else "")


def test_no_proxy_is_heeded_and_a_dead_one_is_told_without_its_password(
    server: StandIn, connect: Connect
) -> None:
    dead = {"HTTP_PROXY": "http://me:pa55word@127.0.0.1:9"}
    assert connect(**dead, NO_PROXY="127.0.0.1,other").namespace == "team"
    with pytest.raises(UnreachableError) as refused:
        connect(**dead)
    assert "proxy" in str(refused.value)
    assert "pa55word" not in str(refused.value)
    assert "pa55word" not in repr(Target.read(server.url, "team", dead))


@pytest.mark.parametrize("text", ["soon", "0", "-1", "3601", "nan"])
def test_a_time_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(SettingError, match=TIMEOUT):
        Patience.read({TIMEOUT: text})
    assert Patience.read({TIMEOUT: "2.5"}).answer_within_s == 2.5


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate for 127.0.0.1 that no authority has signed, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "stand-in")])
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name)
        .public_key(key.public_key()).serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    pem, no_password = serialization.Encoding.PEM, serialization.NoEncryption()
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, no_password)
    path.write_bytes(private + signed.public_bytes(pem))
    return path


def test_a_certificate_is_trusted_by_the_authority_that_is_named_alone(certificate: Path) -> None:
    with serve(StandIn(), certificate) as server:
        trusted = Target.read(server.url, "team", {CA_FILE: str(certificate)})
        assert Connection.open(trusted).namespace == "team"
        with pytest.raises(ServerError, match=f"cannot be trusted .*certificate.*{CA_FILE}"):
            Connection.open(Target.read(server.url, "team", {}))
        with pytest.raises(SettingError, match=f"{CA_FILE} must name a file"):
            Target.read(server.url, "team", {CA_FILE: "/none.pem"})


def test_tls_spoken_to_a_plain_server_is_told(server: StandIn) -> None:
    address = server.url.replace("http:", "https:")
    with pytest.raises(ServerError, match="check https:// and port"):
        Connection.open(Target.read(address, "team", {}))
