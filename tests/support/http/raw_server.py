"""A server that says exactly the bytes a test wants, when it wants them: for misbehaviour below HTTP."""

from __future__ import annotations

import datetime as dt
import ipaddress
import socket
import ssl
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class Caller:
    """One connection, as the server sees it."""

    def __init__(self, sock: socket.socket, closing: threading.Event) -> None:
        """Keep the socket, and the event that says that the test is over."""
        self.sock = sock
        self._closing = closing

    def read_request(self) -> bytes:
        """Read one request with a Content-Length, or b"" when the caller hung up."""
        data = b""
        while b"\r\n\r\n" not in data:
            more = self.sock.recv(65536)
            if not more:
                return b""
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        lengths = [line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
        while len(body) < int(lengths[0] if lengths else 0):
            body += self.sock.recv(65536)
        return head + b"\r\n\r\n" + body

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self.sock.sendall(data)

    def drip(self, data: bytes, seconds: float = 0.02) -> None:
        """Send a byte at a time until the data or the test is over."""
        for byte in data:
            self.sock.sendall(bytes([byte]))
            if self._closing.wait(seconds):
                return

    def swallow(self, least: int | None = None) -> None:
        """Read and discard at least `least` bytes, or until the caller hangs up."""
        read = 0
        while (least is None or read < least) and (more := self.sock.recv(1 << 20)):
            read += len(more)

    def hold(self, seconds: float = 60) -> None:
        """Say nothing until the test is over."""
        self._closing.wait(seconds)

    def reset(self) -> None:
        """Hang up with a TCP reset instead of an orderly end."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        self.sock.close()


class RawServer:
    """Listens on a free port of 127.0.0.1 and lets `script` speak with every caller, each in a thread."""

    def __init__(
        self,
        script: Callable[[Caller], object],
        context: ssl.SSLContext | None = None,
        *,
        port: int = 0,
        host: str = "127.0.0.1",
    ) -> None:
        """Take what to say, the TLS side where there is one, and a port and an address that have to be these."""
        self._script = script
        self._context = context
        self._listener = socket.create_server((host, port))
        self._closing = threading.Event()
        self._threads: list[threading.Thread] = []
        self._open: list[socket.socket] = []
        self.calls = 0
        """Connections accepted so far."""
        self.scheme = "http" if context is None else "https"
        self.port = self._listener.getsockname()[1]
        self.url = f"{self.scheme}://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        for sock in [self._listener, *self._open]:
            with suppress(OSError):  # it is closed already
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(5)

    def wait_until_quiet(self) -> None:
        """Wait until every connection so far was closed on this side."""
        for thread in self._threads[1:]:  # the first one accepts
            thread.join(20)

    def _start(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                self.calls += 1
                self._start(self._speak, sock)

    def _speak(self, sock: socket.socket) -> None:
        with suppress(OSError), sock:  # the caller hung up, which is what many tests are about
            plain_or_tls = sock if self._context is None else self._context.wrap_socket(sock, server_side=True)
            with plain_or_tls:
                self._open.append(plain_or_tls)
                self._script(Caller(plain_or_tls, self._closing))


def reply(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    """Give a whole HTTP/1.1 reply with a Content-Length."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Content-Type: application/json", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def server_tls(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """Make a certificate for 127.0.0.1 in `folder`; give the server's side of TLS and the file to trust."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    trusted = folder / "certificate.pem"
    trusted.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private = folder / "key.pem"
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(trusted, private)
    return context, trusted


@contextmanager
def unreachable_port() -> Iterator[int]:
    """Give a port whose queue is full: a connection to it is neither made nor refused."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        callers = []
        try:
            for _ in range(4):  # the kernel queues one or two more than the backlog
                caller = socket.socket()
                caller.settimeout(0)
                caller.connect_ex(("127.0.0.1", port))
                callers.append(caller)
            yield port
        finally:
            for caller in callers:
                caller.close()


def free_port() -> int:
    """Return a port on which no server listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
