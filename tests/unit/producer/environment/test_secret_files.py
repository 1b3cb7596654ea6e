"""Settings whose value lies in a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from swapline_producer.environment.secret_files import LARGEST
from swapline_producer.errors import SettingsError
from swapline_producer.settings import ProducerSettings, load
from swapline_workers.settings import WorkerSettings

if TYPE_CHECKING:
    from pathlib import Path

SECRETS = {
    "SWAPLINE_REDIS_URL": "redis://swapline:secret@redis:6379/0",
    "SWAPLINE_API_KEY": "very-secret",
    "SWAPLINE_WEBHOOK_SECRETS": "whsec_YQ==,whsec_Yg==",
}


def test_every_secret_can_be_read_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in SECRETS.items():
        (tmp_path / name).write_text(value + "\n")
        monkeypatch.setenv(f"{name}_FILE", str(tmp_path / name))
    for name in ("STORAGE_URL", "API_BASE_URL", "API_KEY_HEADER"):
        monkeypatch.setenv(f"SWAPLINE_{name}", {"API_BASE_URL": "https://vendor.example"}.get(name, "X-Key"))
    settings = load(WorkerSettings)
    assert settings.redis_url == SECRETS["SWAPLINE_REDIS_URL"]
    assert settings.api_key.get_secret_value() == "very-secret"
    assert [one.get_secret_value() for one in settings.webhook_secrets] == ["whsec_YQ==", "whsec_Yg=="]


def test_a_file_may_be_named_in_dotenv(tmp_path: Path) -> None:
    (tmp_path / "prefix").write_text("elsewhere")
    (tmp_path / ".env").write_text(f"SWAPLINE_KEY_PREFIX_FILE={tmp_path / 'prefix'}\n")
    assert load(ProducerSettings).key_prefix == "elsewhere"


def test_the_environment_goes_before_what_dotenv_names(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("SWAPLINE_KEY_PREFIX_FILE=nowhere\n")
    monkeypatch.setenv("SWAPLINE_KEY_PREFIX", "here")
    assert load(ProducerSettings).key_prefix == "here"


def test_a_file_that_the_environment_names_goes_before_dotenv(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("SWAPLINE_KEY_PREFIX=there\n")
    (tmp_path / "prefix").write_text("here\n")
    monkeypatch.setenv("SWAPLINE_KEY_PREFIX_FILE", str(tmp_path / "prefix"))
    assert load(ProducerSettings).key_prefix == "here"


def test_a_setting_given_twice_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWAPLINE_REDIS_URL", "redis://localhost")
    monkeypatch.setenv("SWAPLINE_REDIS_URL_FILE", "somewhere")
    with pytest.raises(SettingsError, match=r"^SWAPLINE_REDIS_URL and SWAPLINE_REDIS_URL_FILE are both set in the env"):
        load(ProducerSettings)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "cannot be read: No such file or directory"),
        (b" \n", "which is empty"),
        (b"\xff\xfe", "which is no text"),
        (b"x" * (LARGEST + 1), "too long"),
    ],
)
def test_a_file_that_has_no_setting_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None, why: str
) -> None:
    if content is not None:
        (tmp_path / "secret").write_bytes(content)
    monkeypatch.setenv("SWAPLINE_REDIS_URL_FILE", str(tmp_path / "secret"))
    with pytest.raises(
        SettingsError, match=rf"^SWAPLINE_REDIS_URL_FILE names .*secret, {why if 'which' in why else ''}"
    ):
        load(ProducerSettings)


def test_a_wrong_value_in_a_file_is_named_and_not_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "url").write_text("http://secret@host")
    monkeypatch.setenv("SWAPLINE_REDIS_URL_FILE", str(tmp_path / "url"))
    with pytest.raises(SettingsError, match=r"^SWAPLINE_REDIS_URL is wrong") as caught:
        load(ProducerSettings)
    assert "secret" not in str(caught.value)
