"""The `http` step and the webhook channel against a real server."""

import datetime
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from steps import StepFailed, http, notification
from steps.errors import StepTimedOut
from steps.scope import Scope, Surroundings
from steps.testing import Recorder
from steps.web import KEPT_BYTES, place, shown_url
from tests.unit.http_server import Server, serving

NO_ADDRESS = "the address must begin with http:// or https:// and a host"


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


@pytest.fixture
def tls_server(tmp_path: Path) -> Iterator[Server]:
    """With a certificate that nobody vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "certificate.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    with serving(context) as running:
        yield running


def scope(recorder: Recorder | None = None, **params: Any) -> Scope:
    return Scope(Surroundings(run_id="r", name="n", params=params, listener=recorder or Recorder()), "a")


async def failure(running: Any) -> StepFailed:
    with pytest.raises(StepFailed) as raised:
        await running
    return raised.value


async def test_the_result(server: Server) -> None:
    """Status, headers, body, and the body's JSON."""
    result = (await http(scope(), f"{server.url}/echo")).result
    assert set(result) == {"status", "headers", "body", "json"}
    assert (result["status"], result["headers"]["content-type"]) == (200, "application/json")
    assert result["json"]["path"] == "/echo"


async def test_the_request(server: Server) -> None:
    """Method, headers, query added to that of the address; all of them templates."""
    await http(
        scope(x="a b", host=server.url),
        "{{ params.host }}/echo?given=1",
        method="PUT",
        headers={"X-Test": "{{ params.x }}"},
        query={"q": "{{ params.x }}", "many": [1, 2], "flag": True},
        body="text {{ params.x }}",
    )
    (request,) = server.requests
    assert (request["method"], request["body"], request["headers"]["x-test"]) == ("PUT", "text a b", "a b")
    assert request["query"] == [("given", "1"), ("q", "a b"), ("many", "1"), ("many", "2"), ("flag", "true")]


@pytest.mark.parametrize("value", [{"a": [1, None]}, [], 0, False, "text"])
async def test_a_json_body(server: Server, value: Any) -> None:
    """Any JSON data, with its content type."""
    await http(scope(x=value), f"{server.url}/echo", method="POST", json_body="{{ params.x }}")
    result = await http(
        scope(x=value), f"{server.url}/typed/application/json", method="POST", json_body=value
    )
    assert result.result["json"] == value
    assert [request["headers"]["content-type"] for request in server.requests] == ["application/json"] * 2
    assert server.requests[0]["body"] == server.requests[1]["body"]


@pytest.mark.parametrize(
    ("kind", "body", "expected"),
    [
        ("application/json", '{"a": 1}', {"a": 1}),
        ("application/problem+json", "[1]", [1]),
        ("Application/JSON; charset=utf-8", "1", 1),
        ("application/json", "no json", None),
        ("application/json", "[" * 100_000, None),
        ("text/plain", '{"a": 1}', None),
    ],
)
async def test_json_only_where_the_answer_says_so(
    server: Server, kind: str, body: str, expected: Any
) -> None:
    """And where it is true."""
    result = (await http(scope(), f"{server.url}/typed/{kind}", method="POST", body=body)).result
    assert (result["json"], result["body"]) == (expected, body)


async def test_the_bodys_encoding(server: Server) -> None:
    """As the answer says."""
    assert (await http(scope(), f"{server.url}/bytes")).result["body"] == "grüße"


@pytest.mark.parametrize(
    ("status", "expected", "ok"),
    [
        (200, (), True),
        (204, (), True),
        (399, (), True),
        (400, (), False),
        (503, (), False),
        (404, (404,), True),
        (200, (404, 410), False),
    ],
)
async def test_the_status_decides(server: Server, status: int, expected: tuple[int, ...], ok: bool) -> None:
    """200 to 399 is well, unless the document says otherwise."""
    running = http(scope(), f"{server.url}/status/{status}", expect_status=expected)
    if ok:
        assert (await running).result["status"] == status
    else:
        failed = await failure(running)
        assert failed.message.startswith(f"GET {server.url}/status/{status} answered {status}")
        assert failed.result["status"] == status


async def test_a_failure_names_the_status_and_keeps_the_answer(server: Server) -> None:
    """So that people see why."""
    failed = await failure(http(scope(), f"{server.url}/status/503"))
    assert failed.message == f"GET {server.url}/status/503 answered 503 Service Unavailable"
    assert failed.result["body"] == "reason"


async def test_redirects(server: Server) -> None:
    """Are followed unless the document says otherwise."""
    url = f"{server.url}/redirect/echo"
    assert (await http(scope(), url)).result["json"]["path"] == "/echo"
    result = (await http(scope(), url, follow_redirects=False)).result
    assert (result["status"], result["headers"]["location"]) == (302, "/echo")


async def test_endless_redirects(server: Server) -> None:
    """Are given up."""
    url = f"{server.url}/{'redirect/' * 30}echo"
    assert (await failure(http(scope(), url))).message == f"GET {url}: too many redirects"


@pytest.mark.parametrize(
    ("size", "kept"), [(KEPT_BYTES, KEPT_BYTES), (KEPT_BYTES + 1, KEPT_BYTES), (9_000_000, KEPT_BYTES)]
)
async def test_a_body_is_kept_up_to_a_mebibyte(server: Server, size: int, kept: int) -> None:
    """What is cut is said to be, and is no JSON any more."""
    result = (await http(scope(), f"{server.url}/big/{size}")).result
    assert len(result["body"]) == kept
    assert result.get("truncated", False) == (size > kept)
    assert (result["json"] is None) == (size > kept)


class TestFailures:
    """In plain words, without secrets."""

    @pytest.mark.parametrize(
        ("url", "shown", "reason"),
        [
            (
                "http://127.0.0.1:9/x?token=geheim",
                "http://127.0.0.1:9/x",
                "connection refused; nothing listens there",
            ),
            ("http://localhost:9/", "http://localhost:9/", "connection refused; nothing listens there"),
            (
                "http://me:geheim@nowhere.invalid/",
                "http://***@nowhere.invalid/",
                "the host's name is not known",
            ),
            ("ftp://me:geheim@x/", "ftp://***@x/", NO_ADDRESS),
            ("http://", "http://", NO_ADDRESS),
            ("x", "x", NO_ADDRESS),
            ("http://me:geheim@host:port/", "http://***@host:port/", "the address can't be read"),
        ],
    )
    async def test_an_address_that_does_not_work(self, url: str, shown: str, reason: str) -> None:
        """Says which and why."""
        assert (await failure(http(scope(), url))).message == f"GET {shown}: {reason}"

    async def test_a_header_with_a_line_break(self, server: Server) -> None:
        """Is refused without being shown."""
        failed = await failure(http(scope(), server.url, headers={"Authorization": "geheim\nX: y"}))
        assert failed.message == (
            f"GET {server.url}: the request can't be sent: "
            "a header holds a line break or another control character"
        )

    async def test_a_server_that_hangs_up(self, server: Server) -> None:
        """Before it has answered."""
        failed = await failure(http(scope(), f"{server.url}/drop"))
        assert failed.message == f"GET {server.url}/drop: Server disconnected without sending a response."

    async def test_a_server_that_is_silent(self, server: Server) -> None:
        """Until the step's timeout."""
        with pytest.raises(StepTimedOut, match="timed out after 200ms"):
            await http(scope(), f"{server.url}/silence", timeout=0.2)

    async def test_a_certificate_that_nobody_vouches_for(self, tls_server: Server) -> None:
        """Is refused, unless the document says not to look."""
        failed = await failure(http(scope(), f"{tls_server.url}/echo"))
        assert (
            failed.message
            == f"GET {tls_server.url}/echo: the certificate is not trusted: self-signed certificate"
        )
        assert (await http(scope(), f"{tls_server.url}/echo", verify_tls=False)).result["status"] == 200

    async def test_a_header_that_is_none(self, server: Server) -> None:
        """As arguments of programs."""
        failed = await failure(http(scope(x=None), server.url, headers={"X": "{{ params.x }}"}))
        assert failed.message.startswith("header 'X' is none")

    async def test_a_password_in_a_header_of_the_answer(self, server: Server) -> None:
        """Is masked."""
        result = (await http(scope(), f"{server.url}/elsewhere", follow_redirects=False)).result
        assert result["headers"]["location"] == "http://***@nowhere.invalid/"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://host/path?token=1#part", "https://host/path"),
        ("https://user:pass@host:1/path", "https://***@host:1/path"),
        ("https://token@host/", "https://***@host/"),
        ("https://host/a@b", "https://host/a@b"),
    ],
)
def test_how_an_address_is_shown(url: str, shown: str) -> None:
    """Without password and query."""
    assert shown_url(url) == shown


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://hooks.example/T0/B0/secret", "https://hooks.example"),
        ("https://u:p@h:8/x", "https://h"),
        ("hooks.example/secret", "(no address)"),
        ("http://u:secret", "(no address)"),
    ],
)
def test_what_is_shown_of_a_webhook(url: str, shown: str) -> None:
    """Scheme and host; its path is its password."""
    assert place(url) == shown


class TestWebhook:
    """A notification that is posted."""

    async def test_the_message_is_posted(self, server: Server) -> None:
        """As chat programs want it."""
        outcome = await notification(
            scope(x=91, hook=f"{server.url}/echo"),
            "{{ params.x }} %",
            channel="webhook",
            url="{{ params.hook }}",
        )
        (request,) = server.requests
        assert (request["method"], request["body"].replace(" ", "")) == ("POST", '{"text":"91%"}')
        assert outcome.result == {"channel": "webhook", "message": "91 %"}

    @pytest.mark.parametrize(
        ("path", "message"),
        [
            ("status/404", "webhook {place} answered 404"),
            ("drop", "POST {place}: Server disconnected without sending a response."),
        ],
    )
    async def test_a_failure_shows_no_secret(self, server: Server, path: str, message: str) -> None:
        """The address stays out of errors, results and lines."""
        recorder = Recorder()
        url = f"{server.url}/{path}?secret"
        failed = await failure(notification(scope(recorder), "x", channel="webhook", url=url))
        assert failed.message == message.format(place=server.place)
        assert "secret" not in f"{failed.result} {recorder.events}"

    async def test_a_redirect_is_no_success(self, server: Server) -> None:
        """Wherever it leads, nothing was delivered."""
        failed = await failure(
            notification(scope(), "x", channel="webhook", url=f"{server.url}/redirect/status/500")
        )
        assert failed.message == f"webhook {server.place} answered 500"
