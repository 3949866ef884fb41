"""Addresses of brokers and result backends, and the app made from them."""

import pytest
from celery import Celery, current_app
from hypothesis import given
from hypothesis import strategies as st

from celery_bridge.app import make_app
from celery_bridge.errors import SettingsError
from celery_bridge.settings import BridgeSettings
from celery_bridge.urls import for_client, masked, masked_setting, normalized

REDIS = "redis://localhost:6379/0"


@pytest.mark.parametrize(
    ("given_url", "expected"),
    [
        ("valkey://host:1/2", "redis://host:1/2"),
        ("valkeys://host", "rediss://host?ssl_cert_reqs=required"),
        ("rediss://host/0?ssl_ca_certs=/ca", "rediss://host/0?ssl_ca_certs=/ca&ssl_cert_reqs=required"),
        ("rediss://host?ssl_cert_reqs=none", "rediss://host?ssl_cert_reqs=none"),
        ("unix:///run/redis.sock", "redis+socket:///run/redis.sock"),
        ("unix:///run/redis.sock?db=2", "redis+socket:///run/redis.sock?virtual_host=2"),
        ("amqp://a//; amqp://b//", "amqp://a//;amqp://b//"),
    ],
)
def test_addresses_are_written_as_celery_reads_them(given_url: str, expected: str) -> None:
    """Other names of the same protocol are accepted, and TLS checks certificates unless told not to."""
    assert normalized(given_url) == expected


@pytest.mark.parametrize(
    ("given_url", "expected"),
    [
        ("redis://:p%40ss@host:1/2", "redis://:p%40ss@host:1/2"),
        ("redis+socket:///run/redis.sock?virtual_host=2", "unix:///run/redis.sock?db=2"),
        ("redis+socket://:pw@/run/redis.sock", "unix://:pw@/run/redis.sock"),
        ("rediss://host/0?ssl_cert_reqs=CERT_NONE", "rediss://host/0?ssl_cert_reqs=none"),
    ],
)
def test_addresses_are_written_as_redis_py_reads_them(given_url: str, expected: str) -> None:
    """The same server for both libraries."""
    assert for_client(given_url) == expected


@given(
    st.sampled_from(["redis", "rediss", "amqp"]),
    st.text(st.characters(codec="utf-8", exclude_characters=";", exclude_categories=["Cc"]), min_size=1),
)
def test_no_password_is_shown(scheme: str, password: str) -> None:
    """Whatever it is made of, even when nobody escaped it."""
    secret = f"s3cret{password}"
    shown = masked(f"{scheme}://me:{secret}@host:1/0")
    assert shown == f"{scheme}://me:***@host:1/0"
    settings = BridgeSettings(f"{scheme}://me:{secret}@host:1/0", f"redis://:{secret}@host/1")
    assert "s3cret" not in repr(settings)


def test_passwords_in_parameters_and_lists_are_hidden() -> None:
    """Each of several addresses, and passwords behind the question mark."""
    assert masked("amqp://a:x@h//;amqp://b:y@i//") == "amqp://a:***@h//;amqp://b:***@i//"
    assert masked("redis://:s3;cr@et@h/0;redis://:more@i/0") == "redis://:***@h/0;redis://:***@i/0"
    assert masked("redis://h/0?password=x&db=1") == "redis://h/0?password=***&db=1"


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("me:s3cret@host:6379/0", "***@host:6379/0"),
        (":s3cr@et@host", "***@host"),
        ("s3cret@", "***@"),
        ("//me:s3cr;et@host", "***@host"),
        ("redis//:s3cret@host", "***@host"),
        ("localhost:6379", "localhost:6379"),
        ("host/0?password=s3cret", "host/0?password=***"),
        ("redis://a/0; me:s3cret@b/0", "redis://a/0; ***@b/0"),
        ("redis://me:s3cret@a/0;amqp://b//", "redis://me:***@a/0;amqp://b//"),
    ],
)
def test_what_is_no_address_shows_no_secret_either(given: str, shown: str) -> None:
    """Somebody forgot the scheme: what stands before an `@` may be a password."""
    assert masked_setting(given) == shown
    with pytest.raises(SettingsError) as caught:
        BridgeSettings.of(f"{given};nonsense")
    assert "s3" not in str(caught.value)


def test_the_result_backend_is_the_broker_where_that_is_a_redis() -> None:
    """One address is enough."""
    settings = BridgeSettings.of("valkey://host:1/2")
    assert settings.broker_url == settings.result_backend == "redis://host:1/2"


@pytest.mark.parametrize(
    ("broker", "backend", "message"),
    [
        ("amqp://me:hush@host//", None, r"no result backend.*OPSCONDUCTOR_RESULT_BACKEND"),
        ("amqp://host//", "db+sqlite:///x", r"'db\+sqlite:///x' can't be used.*Redis or Valkey"),
        (REDIS, "rpc://", r"'rpc://' can't be used"),
        ("filesystem://", None, r"broker 'filesystem://' can't be used.*redis://host"),
        ("sqla+sqlite:///x", None, r"can't be used"),
        ("localhost:6379", None, r"'localhost:6379' can't be used"),
        (f"{REDIS};sqs://", REDIS, r"can't be used"),
        (f"{REDIS};{REDIS}", None, r"no result backend"),
    ],
)
def test_what_cannot_work_is_refused(broker: str, backend: str | None, message: str) -> None:
    """By name and with a cure, and without its password."""
    with pytest.raises(SettingsError, match=message) as caught:
        BridgeSettings.of(broker, backend)
    assert "hush" not in str(caught.value)


def test_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of it comes from the environment where that says so."""
    settings = BridgeSettings.from_environment(
        {
            "OPSCONDUCTOR_BROKER_URL": "amqp://host//",
            "OPSCONDUCTOR_RESULT_BACKEND": REDIS,
            "OPSCONDUCTOR_QUEUE": "mine",
            "OPSCONDUCTOR_WORKER_TIMEOUT": "5",
        }
    )
    assert settings == BridgeSettings("amqp://host//", REDIS, queue="mine", worker_timeout=5)
    monkeypatch.setenv("OPSCONDUCTOR_WORKER_TIMEOUT", "7")
    assert BridgeSettings.of(REDIS).worker_timeout == 7


@pytest.mark.parametrize("value", ["soon", "0", "-1", "nan", "inf"])
def test_a_timeout_that_is_none(value: str) -> None:
    """The variable and its value are named."""
    environment = {"OPSCONDUCTOR_BROKER_URL": REDIS, "OPSCONDUCTOR_WORKER_TIMEOUT": value}
    with pytest.raises(SettingsError, match=f"OPSCONDUCTOR_WORKER_TIMEOUT='{value}'"):
        BridgeSettings.from_environment(environment)


def test_no_broker_is_named() -> None:
    """The error says which variable to set, and that there is a built-in one."""
    with pytest.raises(SettingsError, match=r"OPSCONDUCTOR_BROKER_URL is not set.*opsconductor up"):
        BridgeSettings.from_environment({})


@pytest.mark.parametrize(
    ("broker", "backend", "expected"),
    [
        (REDIS, "redis://other/1", "redis://other/1"),
        (REDIS, None, REDIS),
        (REDIS, "db+sqlite:///x", REDIS),
        ("amqp://host//", "redis://other/1", "redis://other/1"),
    ],
)
def test_a_workers_own_app_says_where_progress_goes(
    broker: str, backend: str | None, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its Redis, be that the result backend or the broker."""
    monkeypatch.delenv("OPSCONDUCTOR_RESULT_BACKEND", raising=False)
    app = Celery("theirs", broker=broker, backend=backend, set_as_current=False)
    assert BridgeSettings.of_app(app).result_backend == expected


def test_the_environment_says_where_progress_goes_without_a_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    """For apps that have no Redis of their own."""
    app = Celery("theirs", broker="amqp://host//", backend="db+sqlite:///x", set_as_current=False)
    monkeypatch.delenv("OPSCONDUCTOR_RESULT_BACKEND", raising=False)
    with pytest.raises(SettingsError, match="OPSCONDUCTOR_RESULT_BACKEND"):
        BridgeSettings.of_app(app)
    monkeypatch.setenv("OPSCONDUCTOR_RESULT_BACKEND", REDIS)
    assert BridgeSettings.of_app(app).result_backend == REDIS


@pytest.mark.parametrize("for_sending", [True, False])
def test_only_json_is_accepted(for_sending: bool) -> None:
    """Messages can't name classes to build."""
    app = make_app(BridgeSettings.of(REDIS), for_sending=for_sending)
    assert (app.conf.accept_content, app.conf.task_serializer) == (["json"], "json")


def test_queues_of_rabbitmq_are_replicated_and_confirmed() -> None:
    """And messages wait in a queue of their own, never in Celery's default one."""
    app = make_app(BridgeSettings.of("amqp://host//", REDIS), for_sending=True)
    assert app.conf.task_default_queue_type == "quorum"
    assert app.conf.broker_transport_options["confirm_publish"] is True
    assert app.conf.task_default_queue == "opsconductor"


def test_a_sending_app_leaves_the_current_one_alone() -> None:
    """Code that uses its own Celery app in the same process goes on using it."""
    theirs = Celery("theirs", set_as_current=True)
    make_app(BridgeSettings.of(REDIS), for_sending=True)
    assert current_app._get_current_object() is theirs
