from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from swapline_producer.errors import SettingsError
from swapline_producer.settings import ProducerSettings, load
from swapline_workers.settings import WEBHOOK_SCHEDULE, AmbiguousSubmit, WorkerSettings

if TYPE_CHECKING:
    from pathlib import Path

REQUIRED = {
    "SWAPLINE_STORAGE_URL": "file:///var/lib/swapline",
    "SWAPLINE_API_BASE_URL": "https://api.vendor.example/",
    "SWAPLINE_API_KEY": "very-secret",
    "SWAPLINE_API_KEY_HEADER": "X-API-Key",
}


@pytest.fixture
def required(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in REQUIRED.items():
        monkeypatch.setenv(name, value)


def test_all_missing_settings_are_named_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        load(WorkerSettings)
    assert [line.split()[0] for line in str(caught.value).splitlines()] == list(REQUIRED)


NUMBERS = [
    name
    for name, field in WorkerSettings.model_fields.items()
    if re.search(r"\b(float|int)\b", str(field.annotation)) and "tuple" not in str(field.annotation)
]


def test_the_walk_below_finds_the_numbers() -> None:
    assert {"queue_ttl", "job_ttl", "result_ttl", "submit_rate", "credits_per_day", "stop_grace"} <= set(NUMBERS)


@pytest.mark.usefixtures("required")
@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", ["inf", "-inf", "nan", "1e300", str(2**64), "9" * 5000])
def test_no_number_is_without_bounds(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"SWAPLINE_{name.upper()}", value)
    with pytest.raises(SettingsError, match=f"^SWAPLINE_{name.upper()} is wrong: [^\n]*$"):
        load(WorkerSettings)


@pytest.mark.usefixtures("required")
def test_the_defaults_are_those_of_the_documentation() -> None:
    settings = load(WorkerSettings)
    assert settings.redis_url == "redis://localhost:6379/0"
    assert settings.api_base_url == "https://api.vendor.example"
    assert (settings.max_in_flight, settings.poll_min_interval, settings.poll_max_interval) == (3, 0.25, 20)
    assert (settings.status_timeout, settings.submit_timeout, settings.rescue_after) == (30, 60, 15)
    assert (settings.queue_ttl, settings.run_timeout, settings.job_ttl) == (86_400, 1800, 30 * 86_400)
    assert settings.on_ambiguous_submit is AmbiguousSubmit.HOLD
    assert settings.webhook_secrets == ()


@pytest.mark.usefixtures("required")
def test_webhook_secrets_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWAPLINE_WEBHOOK_SECRETS", "whsec_YQ==, whsec_Yg==,")
    secrets = [secret.get_secret_value() for secret in load(WorkerSettings).webhook_secrets]
    assert secrets == ["whsec_YQ==", "whsec_Yg=="]


@pytest.mark.usefixtures("required")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SWAPLINE_API_BASE_URL", "vendor.example"),
        ("SWAPLINE_REDIS_URL", "http://localhost"),
        ("SWAPLINE_MAX_IN_FLIGHT", "0"),
        ("SWAPLINE_MAX_IN_FLIGHT", "many"),
        ("SWAPLINE_WEBHOOK_SECRETS", "hunter2"),
        ("SWAPLINE_KEY_PREFIX", "a b"),
        ("SWAPLINE_ON_AMBIGUOUS_SUBMIT", "pray"),
        ("SWAPLINE_API_KEY_HEADER", "X-Key: injected"),
    ],
)
def test_a_wrong_setting_is_named_without_its_value(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=f"^{name}(\\.\\d+)? is wrong") as caught:
        load(WorkerSettings)
    assert value not in str(caught.value).removeprefix(name)


@pytest.mark.usefixtures("required")
def test_the_shortest_interval_must_not_exceed_the_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWAPLINE_POLL_MIN_INTERVAL", "30")
    with pytest.raises(SettingsError, match="SWAPLINE_POLL_MIN_INTERVAL must not exceed"):
        load(WorkerSettings)


@pytest.mark.usefixtures("required")
def test_the_schedule_of_webhooks_is_given_in_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(WorkerSettings).webhook_schedule == WEBHOOK_SCHEDULE
    monkeypatch.setenv("SWAPLINE_WEBHOOK_SCHEDULE", "0, 0.5,60")
    assert load(WorkerSettings).webhook_schedule == (0, 0.5, 60)


@pytest.mark.usefixtures("required")
@pytest.mark.parametrize("value", ["5,10", "0,soon", "0,-1", ",", "0,99999999", "0,nan", "0,inf"])
def test_a_schedule_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("SWAPLINE_WEBHOOK_SCHEDULE", value)
    with pytest.raises(SettingsError, match="SWAPLINE_WEBHOOK_SCHEDULE"):
        load(WorkerSettings)


def test_a_dotenv_file_is_read(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("SWAPLINE_KEY_PREFIX=elsewhere\n")
    assert load(ProducerSettings).key_prefix == "elsewhere"


@pytest.mark.usefixtures("required")
def test_secrets_do_not_show_when_settings_are_printed() -> None:
    assert "very-secret" not in repr(load(WorkerSettings))


@pytest.mark.parametrize(
    ("url", "broker"),
    [
        ("redis://:pw@host:6379/1", "redis://:pw@host:6379/1"),
        ("unix:///run/redis.sock", "redis+socket:///run/redis.sock?virtual_host=0"),
        ("unix:///run/redis.sock?db=2", "redis+socket:///run/redis.sock?virtual_host=2"),
    ],
)
def test_the_broker_is_the_same_server_as_the_ledger(monkeypatch: pytest.MonkeyPatch, url: str, broker: str) -> None:
    monkeypatch.setenv("SWAPLINE_REDIS_URL", url)
    assert load(ProducerSettings).redis.broker_url == broker
