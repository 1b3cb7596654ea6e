"""TLS to a real server: the ledger and the broker, a client's certificate, and what a wrong one says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from support.programs.debian import needs
from support.programs.installation import Installation
from support.redis.processes import MEMORY_ONLY, Authority, RealServer, running
from swapline_producer.settings import ProducerSettings

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from support.programs.installation import Receiver
    from swapline_simulator import Simulator

pytestmark = needs("redis-server", "redis-server")


class Encrypted(RealServer):
    """A server that speaks TLS only, and only to those with a certificate of its own authority."""

    parameters = ""

    @property
    def url(self) -> str:
        return f"rediss://:{self.password}@localhost:{self.port}/0?{self.parameters}"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def server(authority: Authority, tmp_path: Path) -> Generator[Encrypted]:
    certificate, key = authority.sign("server")
    mine, my_key = authority.sign("client")
    built = Encrypted(tmp_path / "redis", password="pw")
    built.lines = (
        *MEMORY_ONLY,
        "requirepass pw",
        "port 0",
        f"tls-port {built.port}",
        f"tls-cert-file {certificate}",
        f"tls-key-file {key}",
        f"tls-ca-cert-file {authority.file}",
        "tls-auth-clients yes",
    )
    files = {"ssl_ca_certs": authority.file, "ssl_certfile": mine, "ssl_keyfile": my_key}
    built.tls = {"ssl": True, **{name: str(file) for name, file in files.items()}}
    built.parameters = "&".join(f"{name}={file}" for name, file in files.items())
    with running(built):
        yield built


@pytest.fixture
def services(server: Encrypted, prefix: str, tmp_path: Path, vendor: Simulator, receiver: Receiver) -> Installation:
    store = tmp_path / "store"
    store.mkdir()
    return Installation(cast("Any", server), prefix, store, vendor, receiver)


def test_a_job_runs_over_tls_with_a_certificate_of_its_own(services: Installation) -> None:
    with services.worker() as worker:
        done = services.run(image="https://pictures.example/me.jpg", gender=0, filter_id=12)
        answer = services.cli("jobs", "show", done.job_id)
    assert done.state.value == "SUCCEEDED"
    assert answer.returncode == 0
    assert "CERT" not in worker.log()


def test_another_authority_is_one_sentence_that_names_the_setting(
    services: Installation, server: Encrypted, authority: Authority, tmp_path: Path
) -> None:
    stranger = Authority(tmp_path, "stranger")
    url = server.url.replace(str(authority.file), str(stranger.file))
    refused = services.cli("slots", SWAPLINE_REDIS_URL=url)
    assert refused.returncode == 1
    assert "its certificate is not to be trusted" in refused.stderr
    assert "ssl_ca_certs" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_wrong_password_is_one_sentence_without_the_password(services: Installation, server: Encrypted) -> None:
    refused = services.cli("slots", SWAPLINE_REDIS_URL=server.url.replace(":pw@", ":mistyped@"))
    assert refused.returncode == 1
    assert "the user or the password in SWAPLINE_REDIS_URL is wrong" in refused.stderr
    assert "mistyped" not in refused.stderr


def test_a_file_that_is_not_there_is_reported_before_anything_is_connected(services: Installation) -> None:
    url = "rediss://localhost/0?ssl_ca_certs=/nowhere/ca.pem"
    refused = services.cli("slots", SWAPLINE_REDIS_URL=url)
    assert refused.returncode == 2
    assert refused.stderr.strip().endswith(
        "SWAPLINE_REDIS_URL is wrong: names a file for ssl_ca_certs that is not there."
    )


def test_the_broker_verifies_the_certificate_as_the_ledger_does(server: Encrypted) -> None:
    asked = ProducerSettings(redis_url=server.url).redis
    assert asked.tls["ssl_cert_reqs"] == "required"
    assert asked.tls["ssl_check_hostname"] is True
