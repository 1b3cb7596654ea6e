"""What Kubernetes sets for its Services is no setting."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from swapline_producer.environment.service_links import is_service_link
from swapline_producer.errors import SettingsError
from swapline_producer.settings import load
from swapline_workers import doctor
from swapline_workers.settings import MetricsSettings

if TYPE_CHECKING:
    from pathlib import Path

LINKS = {
    "SWAPLINE_METRICS_SERVICE_HOST": "10.0.0.1",
    "SWAPLINE_METRICS_SERVICE_PORT": "9810",
    "SWAPLINE_METRICS_SERVICE_PORT_HTTP": "9810",
    "SWAPLINE_METRICS_PORT": "tcp://10.0.0.1:9810",
    "SWAPLINE_METRICS_PORT_9810_TCP": "tcp://10.0.0.1:9810",
    "SWAPLINE_METRICS_PORT_9810_TCP_PROTO": "tcp",
    "SWAPLINE_METRICS_PORT_9810_TCP_PORT": "9810",
    "SWAPLINE_METRICS_PORT_9810_TCP_ADDR": "10.0.0.1",
}
"""What a kubelet sets for a Service `swapline-metrics`, port 9810, named `http`."""


@pytest.fixture
def links(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in LINKS.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("name", LINKS)
def test_a_variable_of_a_service_is_distinguished_from_a_setting(name: str) -> None:
    assert is_service_link(name, LINKS[name])
    assert is_service_link(name.lower(), LINKS[name])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SWAPLINE_METRICS_PORT", "9810"),
        ("SWAPLINE_METRICS_PORT", "many"),
        ("SWAPLINE_METRICS_PORT", None),
        ("SWAPLINE_REDIS_URL", "redis://10.0.0.1:6379"),
        ("SWAPLINE_METRICS_PORT_FILE", "/run/port"),
    ],
)
def test_a_setting_stays_one(name: str, value: str | None) -> None:
    assert not is_service_link(name, value)


@pytest.mark.usefixtures("links")
def test_the_port_of_a_service_is_not_taken_for_the_port_of_metrics() -> None:
    assert load(MetricsSettings).metrics_port is None


@pytest.mark.usefixtures("links")
def test_the_setting_behind_it_is_read_from_dotenv_or_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("SWAPLINE_METRICS_PORT=9811\n")
    assert load(MetricsSettings).metrics_port == 9811
    (tmp_path / "port").write_text("9812\n")
    monkeypatch.setenv("SWAPLINE_METRICS_PORT_FILE", str(tmp_path / "port"))
    assert load(MetricsSettings).metrics_port == 9812


def test_a_port_that_is_no_number_is_still_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWAPLINE_METRICS_PORT", "many")
    with pytest.raises(SettingsError, match="SWAPLINE_METRICS_PORT is wrong"):
        load(MetricsSettings)


@pytest.mark.usefixtures("links")
def test_doctor_does_not_call_them_misspelt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWAPLINE_PORT", "9810")
    first, second = itertools.islice(doctor.rounds(), 2)
    assert first.found.startswith("SWAPLINE_PORT is set")
    assert second.name == "worker settings"
