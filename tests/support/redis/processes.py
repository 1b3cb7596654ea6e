"""Debian's own redis-server and redis-sentinel as processes: for TLS, ACLs, replicas and fail-over."""

from __future__ import annotations

import subprocess
import threading
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import redis
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from redis.backoff import NoBackoff
from redis.retry import Retry

from swapline_workers.local.ports import LOOPBACK, free_port

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

MEMORY_ONLY = ("save ''", "appendonly no")
"""Where a test does not look at the disk."""

FILES = ("appendonly yes", "appendfsync everysec")
READY_WITHIN = 30.0
"""Seconds: a server starts in a tenth of one."""


@dataclass
class RealServer:
    """One redis-server (or redis-sentinel) with a folder and a port of its own."""

    folder: Path
    lines: Sequence[str] = MEMORY_ONLY
    program: str = "redis-server"
    port: int = field(default_factory=free_port)
    user: str = ""
    password: str = ""
    tls: dict[str, Any] = field(default_factory=dict)
    child: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return self.url_for(self.user, self.password)

    def url_for(self, user: str, password: str) -> str:
        who = f"{user}:{password}@" if user or password else ""
        return f"redis://{who}{LOOPBACK}:{self.port}/0"

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def client(self, **options: Any) -> redis.Redis:
        who = {"username": self.user or None, "password": self.password or None}
        once = Retry(NoBackoff(), 0)
        return redis.Redis(
            LOOPBACK, self.port, **{**who, "decode_responses": True, "retry": once, **self.tls, **options}
        )

    def start(self) -> None:
        self.folder.mkdir(exist_ok=True)
        config = self.folder / "redis.conf"
        if not config.exists():  # Sentinel keeps what it learns in its own
            port = () if any(line.startswith("tls-port") for line in self.lines) else (f"port {self.port}",)
            config.write_text("\n".join((f"bind {LOOPBACK}", *port, f"dir {self.folder}", *self.lines, "")))
        with (self.folder / "log").open("ab") as log:
            self.child = subprocess.Popen([self.program, str(config)], stdout=log, stderr=log, cwd=self.folder)
        try:
            self._wait()
        except BaseException:
            self.kill()
            raise

    def kill(self) -> None:
        assert self.child is not None
        self.child.kill()
        self.child.wait(30)

    def stop(self) -> None:
        if self.child is not None and self.child.poll() is None:
            self.child.terminate()
            self.child.wait(30)

    def _wait(self) -> None:
        pause, gave_up = threading.Event(), datetime.now(UTC) + timedelta(seconds=READY_WITHIN)
        with self.client() as client:
            while datetime.now(UTC) < gave_up:
                assert self.child is not None
                assert self.child.poll() is None, self.log
                try:
                    client.ping()
                except redis.exceptions.ResponseError:  # it answers, if only that we may not ask
                    return
                except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError) as error:
                    if isinstance(error, redis.exceptions.AuthenticationError):
                        return
                    pause.wait(0.02)
                else:
                    return
        raise AssertionError(self.log)


@contextmanager
def running(server: RealServer) -> Generator[RealServer]:
    """Have a server for the length of a block."""
    server.start()
    try:
        yield server
    finally:
        server.stop()


SERVICE = "faces"
PASSWORDS = {"server": "server-secret", "sentinel": "sentinel-secret"}


@dataclass
class Watched:
    """One master, replicas, and three sentinels that watch them."""

    servers: list[RealServer]
    sentinels: list[RealServer]

    @property
    def url(self) -> str:
        places = ";".join(f"{LOOPBACK}:{sentinel.port}" for sentinel in self.sentinels)
        who = f"default:{PASSWORDS['server']}"
        return f"sentinel://{who}@{places}/{SERVICE}/0?sentinel_password={PASSWORDS['sentinel']}"

    def master(self) -> RealServer:
        """The master as most sentinels see it now."""
        answers: list[int] = []
        for sentinel in self.sentinels:
            with sentinel.client() as client:
                answers.append(int(client.sentinel_get_master_addr_by_name(SERVICE)[1]))
        port = max(answers, key=answers.count)
        return next(server for server in self.servers if server.port == port)


@contextmanager
def watched(folder: Path, *, replicas: int = 1, down_after: int = 1000, more: Sequence[str] = ()) -> Generator[Watched]:
    """Start a master with replicas and three sentinels; `down_after` is milliseconds."""
    with ExitStack() as stack:
        password = PASSWORDS["server"]
        asked = (*MEMORY_ONLY, f"requirepass {password}", f"masterauth {password}", "repl-diskless-sync-delay 0", *more)
        master = RealServer(folder / "master", asked, password=password)
        servers = [stack.enter_context(running(master))]
        for number in range(replicas):
            follows = (*asked, f"replicaof {LOOPBACK} {master.port}")
            replica = RealServer(folder / f"replica{number}", follows, password=password)
            servers.append(stack.enter_context(running(replica)))
        sentinels = [
            stack.enter_context(running(_sentinel(folder / f"sentinel{number}", master, down_after)))
            for number in range(3)
        ]
        everything = Watched(servers, sentinels)
        _acquainted(everything)
        yield everything


def _sentinel(folder: Path, master: RealServer, down_after: int) -> RealServer:
    lines = (
        f"requirepass {PASSWORDS['sentinel']}",
        f"sentinel sentinel-pass {PASSWORDS['sentinel']}",
        f"sentinel monitor {SERVICE} {LOOPBACK} {master.port} 2",
        f"sentinel auth-pass {SERVICE} {PASSWORDS['server']}",
        f"sentinel down-after-milliseconds {SERVICE} {down_after}",
        f"sentinel failover-timeout {SERVICE} 5000",
    )
    return RealServer(folder, lines, program="redis-sentinel", password=PASSWORDS["sentinel"])


def _acquainted(everything: Watched) -> None:
    """Wait until each sentinel knows the two others and every replica."""
    pause, gave_up = threading.Event(), datetime.now(UTC) + timedelta(seconds=READY_WITHIN)
    for sentinel in everything.sentinels:
        with sentinel.client() as client:
            while True:
                seen = client.sentinel_master(SERVICE)
                others = int(seen["num-other-sentinels"]), int(seen["num-slaves"])
                if others == (2, len(everything.servers) - 1) and "s_down" not in seen["flags"]:
                    break
                assert datetime.now(UTC) < gave_up, seen
                pause.wait(0.05)


def _usage(*, ca: bool) -> x509.KeyUsage:
    """What a key is for: an authority's signs certificates, any other signs handshakes."""
    others = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "crl_sign")
    never = dict.fromkeys((*others, "encipher_only", "decipher_only"), False)
    return x509.KeyUsage(digital_signature=not ca, key_cert_sign=ca, **never)


class Authority:
    """A certificate authority that signs for loopback."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self.folder = folder
        self.name = name
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.file = self._write(name, self._built(self._subject, self._key.public_key(), ca=True))

    def sign(self, name: str) -> tuple[Path, Path]:
        """A certificate and its key, as files."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        text = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        secret = self.folder / f"{name}.key"
        secret.write_bytes(text)
        return self._write(name, self._built(subject, key.public_key(), ca=False)), secret

    def _built(self, subject: x509.Name, public: ec.EllipticCurvePublicKey, *, ca: bool) -> x509.Certificate:
        now = datetime.now(UTC)
        names = [x509.DNSName("localhost"), x509.IPAddress(ip_address(LOOPBACK))]
        made = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._subject)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            # Python 3.13 verifies strictly (RFC 5280): each certificate names its own key and its issuer's.
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .add_extension(_usage(ca=ca), critical=True)
        )
        return made.sign(self._key, hashes.SHA256())

    def _write(self, name: str, certificate: x509.Certificate) -> Path:
        file = self.folder / f"{name}.crt"
        file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        return file
