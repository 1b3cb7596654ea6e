"""A real Prometheus in a hurry, for tests: our alert rules with seconds for minutes, and targets that come and go."""

from __future__ import annotations

import json
import re
import subprocess
import urllib.request
from contextlib import ExitStack, contextmanager
from pathlib import Path
from socket import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from prometheus_client import CollectorRegistry

from support.redis.fixtures import waited_for
from swapline_workers.telemetry.metrics.collector import SystemCollector
from swapline_workers.telemetry.metrics.serving import serving

if TYPE_CHECKING:
    from collections.abc import Generator

    from swapline_producer.ledger import Ledger

RULES = Path(__file__).parents[3] / "ops/prometheus/alerts.yml"
PASSWORD = "a password of the tests"

HURRY = {
    r"for: \d+[mh]": "for: 0s",
    r"\[\d+[mh]\]": "[3s]",
    r"\[11m:1m\]\) >= 11": "[1s:250ms]) >= 3",
    r"oldest_waiting_seconds > 3600": "oldest_waiting_seconds > 0.5",
    r"(dispatcher_silent_seconds\)?) > 30": r"\1 > 1.5",
    r"polls_failing_jobs < 2": "polls_failing_jobs < 1",
    r"> 2 \* rate\(swapline_due": "> 0.5 * rate(swapline_due",
    r"(increase\(swapline_(?:storage_retries|rescues)_total\[3s\]\)) > \d+": r"\1 > 0",
    r"(\[3s\]\)\)?) > 3$": r"\1 > 0",
}
"""What is minutes and dozens in an installation is seconds and ones in a test; the rest of each rule is as it is."""

CONFIG = """
global: {scrape_interval: 250ms, scrape_timeout: 250ms, evaluation_interval: 250ms}
rule_files: [alerts.yml]
scrape_configs:
  - job_name: swapline
    basic_auth: {username: metrics, password: "a password of the tests"}
    static_configs: [{targets: ["127.0.0.1:PORT"]}]
"""


def hurried(rules: str) -> str:
    for pattern, replacement in HURRY.items():
        rules, found = re.subn(pattern, replacement, rules, flags=re.MULTILINE)
        assert found, pattern
    return rules


class Prometheus:
    """Scrapes one ledger at a time and fires alerts. It looks for its target some seconds after its start only."""

    def __init__(self, url: str, target: int) -> None:
        self._url = url
        self._target = target

    @contextmanager
    def watching(self, ledger: Ledger) -> Generator[None]:
        """Scrape a ledger for the length of a block, password and all."""
        registry = CollectorRegistry()
        registry.register(SystemCollector(ledger.stats.snapshot))
        with serving(registry, "127.0.0.1", [self._target], PASSWORD):
            waited_for(lambda: "SwaplineMetricsMissing" not in self.firing())
            yield

    def firing(self) -> set[str]:
        """The alerts that fire now."""
        alerts = self._asked("/api/v1/alerts")["data"]["alerts"]
        return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}

    def fires(self, *names: str) -> None:
        """Wait until these alerts fire, all at once."""
        waited_for(lambda: {f"Swapline{name}" for name in names} <= self.firing(), seconds=30)

    def has_fired(self, *names: str) -> None:
        """Wait until each of these alerts has fired within the last half minute: some watch what passes quickly."""

        def lately() -> set[str]:
            asked = quote('count by (alertname) (count_over_time(ALERTS{alertstate="firing"}[30s]))')
            found = self._asked(f"/api/v1/query?query={asked}")["data"]["result"]
            return {one["metric"]["alertname"] for one in found}

        waited_for(lambda: {f"Swapline{name}" for name in names} <= lately(), seconds=30)

    def is_silent(self, *names: str) -> None:
        """Wait until none of these alerts fires."""
        waited_for(lambda: not {f"Swapline{name}" for name in names} & self.firing(), seconds=30)

    def _asked(self, path: str) -> dict[str, Any]:
        with urllib.request.urlopen(self._url + path, timeout=10) as reply:  # noqa: S310 -- our own server
            found: dict[str, Any] = json.loads(reply.read())
        return found


@contextmanager
def running_prometheus(folder: Path) -> Generator[Prometheus]:
    """Run a server in a folder, at a free port."""
    port, target = _free_port(), _free_port()
    (folder / "prometheus.yml").write_text(CONFIG.replace("PORT", str(target)))
    (folder / "alerts.yml").write_text(hurried(RULES.read_text()))
    with ExitStack() as stack:
        log = stack.enter_context((folder / "log").open("w"))
        server = subprocess.Popen(
            [
                "prometheus",
                "--config.file=prometheus.yml",
                "--storage.tsdb.path=data",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            cwd=folder,
            stdout=log,
            stderr=log,
        )
        stack.callback(server.wait, 30)
        stack.callback(server.kill)  # its output is not read
        prometheus = Prometheus(f"http://127.0.0.1:{port}", target)
        waited_for(lambda: _answers(prometheus, server), seconds=30)
        yield prometheus


def _free_port() -> int:
    with socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _answers(prometheus: Prometheus, server: subprocess.Popen[bytes]) -> bool:
    assert server.poll() is None, "Prometheus has ended; its log is in the test's folder"
    try:
        prometheus.firing()
    except OSError:
        return False
    return True
