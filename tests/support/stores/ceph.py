"""Debian's Ceph as an S3 server of our own: a monitor, a store in memory and a gateway, for `make test-s3 CEPH=1`.

There is no manager: it counts and balances, which no test needs. Keys and the user of the gateway are made for each
cluster, so that another server at one of its ports is not taken for it.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import uuid
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from support.redis.fixtures import waited_for
from support.stores.s3 import S3Server
from swapline_workers.local.ports import LOOPBACK, free_port

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

PROGRAMS = ("ceph", "ceph-authtool", "ceph-mon", "ceph-osd", "monmaptool", "radosgw", "radosgw-admin")
PACKAGES = "ceph-mon ceph-osd radosgw"

ANSWERS_WITHIN = 60
"""Seconds for one command; the slowest makes the first pools, and takes one on a quiet machine."""

ENDS_WITHIN = 30
"""Seconds between a SIGTERM and a SIGKILL; each ends in a tenth of one."""

RIGHTS = {
    "mon.": {"mon": "allow *"},
    "client.admin": {"mon": "allow *", "osd": "allow *"},
    "osd.0": {"mon": "allow profile osd", "osd": "allow *"},
    "client.rgw": {"mon": "allow rw", "osd": "allow rwx"},
}

CONFIG = """
[global]
fsid = {fsid}
mon host = [v2:{host}:{mon_port}/0]
public addr = {host}
cluster addr = {host}
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
keyring = {folder}/keyring
mon data = {folder}/mon
osd data = {folder}/osd
rgw data = {folder}/rgw
log file = {folder}/$name.log
# Its name would be too long for a socket in many a temporary folder.
admin socket =
run dir = {folder}
crash dir = {folder}
pid file =
# One store has every object once, in pools of one part.
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
rgw rados pool pg num min = 1
mon allow pool size one = true
# The monitor ends itself where the disk is 95 % full; it has a few megabytes there.
mon data avail crit = 1
# Changes of the map are gathered for a second by default, and starting up is a row of them.
paxos propose interval = 0.05
osd objectstore = memstore
memstore device bytes = 2147483648
rgw frontends = beast endpoint={host}:{rgw_port}
rgw enable apis = s3
"""


def missing() -> str | None:
    """A program of Ceph that is not installed."""
    return next((program for program in PROGRAMS if shutil.which(program) is None), None)


@dataclass
class Cluster:
    """A folder with the configuration, the keys and the logs of a cluster, and its servers by name."""

    folder: Path
    servers: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def run(self, *command: str) -> str:
        """Have a command do its work and give what it printed; raises AssertionError with what was said instead."""
        within = ("timeout", str(ANSWERS_WITHIN))
        done = subprocess.run((*within, *command), env=self._environment, capture_output=True, text=True, check=False)
        self.check()
        assert done.returncode == 0, f"{command[0]} ended with {done.returncode}: {done.stderr}"
        return done.stdout

    def check(self) -> None:
        """Raise AssertionError with the last words of a server that should run."""
        for name, server in self.servers.items():
            assert server.poll() is None, (self.folder / f"{name}.out").read_text(errors="replace")

    @contextmanager
    def running(self, *command: str) -> Generator[None]:
        """Have a server for the length of a block; it alone is ended, by its own id."""
        name = command[0]
        with (self.folder / f"{name}.out").open("wb") as out:
            server = subprocess.Popen([*command, "-f"], env=self._environment, stdout=out, stderr=out)
            self.servers[name] = server
            try:
                yield
            finally:
                del self.servers[name]
                server.terminate()
                try:
                    server.wait(ENDS_WITHIN)
                except subprocess.TimeoutExpired:
                    server.kill()
                    server.wait()

    @property
    def _environment(self) -> dict[str, str]:
        return {**os.environ, "CEPH_CONF": str(self.folder / "ceph.conf")}


@contextmanager
def gateway(folder: Path) -> Generator[S3Server]:
    """Start a cluster in a folder and give its S3 server; at the end, its three processes end."""
    port, mon_port = free_port(), free_port()
    fsid, user = str(uuid.uuid4()), f"tests-{secrets.token_hex(6)}"
    cluster = Cluster(folder)
    config = CONFIG.format(folder=folder, fsid=fsid, host=LOOPBACK, mon_port=mon_port, rgw_port=port)
    (folder / "ceph.conf").write_text(config)
    _make_keys(cluster)
    found = S3Server(f"http://{LOOPBACK}:{port}", secrets.token_hex(10).upper(), secrets.token_hex(20))
    with ExitStack() as stack:
        _make_monitor(cluster, fsid, mon_port)
        stack.enter_context(cluster.running("ceph-mon", "--id", "a"))
        _make_store(cluster)
        stack.enter_context(cluster.running("ceph-osd", "--id", "0"))
        keys = ("--access-key", found.key, "--secret-key", found.secret)
        cluster.run("radosgw-admin", "user", "create", "--uid", user, "--display-name=tests", *keys)
        stack.enter_context(cluster.running("radosgw", "--name", "client.rgw"))

        def answers() -> bool:
            cluster.check()
            owner = found.owner()
            assert owner in {None, user}, f"another server listens at {found.endpoint}"
            return owner is not None

        waited_for(answers)
        yield found


def _make_keys(cluster: Cluster) -> None:
    signing_keys = str(cluster.folder / "signing_keys")
    cluster.run("ceph-authtool", signing_keys, "--create-keyring")
    for name, rights in RIGHTS.items():
        caps = [word for part, right in rights.items() for word in ("--cap", part, right)]
        cluster.run("ceph-authtool", signing_keys, "--gen-key", "--name", name, *caps)


def _make_monitor(cluster: Cluster, fsid: str, port: int) -> None:
    names = ("--addv", "a", f"[v2:{LOOPBACK}:{port}/0]")
    map_, signing_keys = (str(cluster.folder / name) for name in ("monmap", "signing_keys"))
    (cluster.folder / "mon").mkdir()
    cluster.run("monmaptool", "--create", *names, "--fsid", fsid, map_)
    cluster.run("ceph-mon", "--id", "a", "--mkfs", "--monmap", map_, "--keyring", signing_keys)


def _make_store(cluster: Cluster) -> None:
    """Have the monitor expect a store, and make it; a store of another id would wait for ever."""
    id_ = str(uuid.uuid4())
    (cluster.folder / "osd").mkdir()
    assert cluster.run("ceph", "osd", "new", id_).strip() == "0"
    cluster.run("ceph-osd", "--id", "0", "--mkfs", "--osd-uuid", id_)
