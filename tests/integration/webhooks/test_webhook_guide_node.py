"""The Node part of the guide receives and verifies a signed event, in a real Node process."""

from __future__ import annotations

import os
import re
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests

from support.http.raw_server import free_port
from support.jobs.deliveries import EVENT
from support.programs.debian import needs
from swapline_producer.webhooks import new_secret, sign

if TYPE_CHECKING:
    from collections.abc import Generator

GUIDE = Path(__file__).parents[3] / "docs/guides/receiving-webhooks.md"
PACKAGES = ("express@5.3.0", "standardwebhooks@1.1.1")
SECRET, OLDER = new_secret(), new_secret()
BODY = EVENT.to_json()

pytestmark = [needs("node", "nodejs"), needs("npm", "npm")]


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    folder = tmp_path_factory.mktemp("node")
    found = re.search(r"^```javascript\n(.*?)^```", GUIDE.read_text(), re.DOTALL | re.MULTILINE)
    assert found
    (folder / "receiver.mjs").write_text(found[1])
    install = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(folder), *PACKAGES]
    subprocess.run(install, check=True, capture_output=True, timeout=110)
    port = free_port()
    settings = {"PORT": str(port), "SWAPLINE_WEBHOOK_SECRETS": f"{OLDER},{SECRET}"}
    with subprocess.Popen(
        ["node", "receiver.mjs"], cwd=folder, env={**os.environ, **settings}, stdout=subprocess.PIPE, text=True
    ) as node:
        assert node.stdout
        assert node.stdout.readline() == "listening\n"
        yield f"http://127.0.0.1:{port}/swapline"
        node.kill()


def answer(url: str, body: bytes, secret: str) -> int:
    headers = {**sign(BODY, "msg_1", int(time.time()), secret), "content-type": "application/json"}
    return requests.post(url, data=body, headers=headers, timeout=30).status_code


def test_node_takes_a_signed_event_whichever_secret_signed_it(receiver: str) -> None:
    assert [answer(receiver, BODY, secret) for secret in (SECRET, OLDER)] == [204, 204]


def test_node_refuses_what_a_stranger_signed_or_changed(receiver: str) -> None:
    assert answer(receiver, BODY, new_secret()) == 400
    assert answer(receiver, BODY.replace(b"SUCCEEDED", b"FAILED"), SECRET) == 400
