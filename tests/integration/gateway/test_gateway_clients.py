"""The guide's clients, run as they stand there: curl, TypeScript with generated types, PHP."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.programs.debian import needs
from support.services.gateways import Gateway, serving, settings_of
from swapline_producer.contract.access import Scope
from swapline_simulator import sample_photographs
from swapline_workers.local.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Generator

    from support.programs.installation import Installation

ROOT = Path(__file__).parents[3]
GUIDE = (ROOT / "docs/guides/gateway.md").read_text()
PACKAGES = (
    *("openapi-typescript@7.13.0", "openapi-fetch@0.17.0", "typescript@5.9.3"),
    *("@types/node@20.19.43", "standardwebhooks@1.1.1"),
)
STRICT = (
    "--strict --noUncheckedIndexedAccess --target es2022 --module nodenext --moduleResolution nodenext --skipLibCheck"
)


def example(language: str, has: str) -> str:
    found: list[str] = re.findall(rf"^```{language}\n(.*?)^```", GUIDE, re.DOTALL | re.MULTILINE)
    return next(text for text in found if has in text)


@pytest.fixture
def whole(installation: Installation) -> Generator[Gateway]:
    with serving(settings_of(installation)) as gateway, installation.worker():
        yield gateway


def run(gateway: Gateway, folder: Path, *command: str, **more: str) -> str:
    (folder / "me.jpg").write_bytes(sample_photographs()[0])
    environment = {**os.environ, "SWAPLINE_URL": gateway.url, "SWAPLINE_KEY": gateway.key, **more}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=110, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@needs("curl", "curl")
def test_the_call_by_curl_has_the_picture(whole: Gateway, tmp_path: Path) -> None:
    swap = json.loads(run(whole, tmp_path, "sh", "-c", example("sh", "curl")))
    assert (swap["state"], len(swap["images"]), swap["idempotency_key"]) == ("SUCCEEDED", 1, "order-4711")


@needs("php", "php-cli")
def test_the_client_in_php_has_the_picture(whole: Gateway, tmp_path: Path) -> None:
    (tmp_path / "client.php").write_text(example("php", "swapline("))
    swap_id, state, sha256 = run(whole, tmp_path, "php", "client.php", "me.jpg").split()
    assert state == "SUCCEEDED"
    assert whole.producer.get(swap_id).images[0].sha256 == sha256


@needs("npm", "npm")
def test_the_client_in_typescript_has_the_picture_and_the_webhook(whole: Gateway, tmp_path: Path) -> None:
    (tmp_path / "client.ts").write_text(example("typescript", "openapi-fetch"))
    (tmp_path / "package.json").write_text('{"type": "module", "private": true}')
    install = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", *PACKAGES]
    subprocess.run(install, cwd=tmp_path, check=True, capture_output=True, timeout=110)
    run(whole, tmp_path, "npx", "openapi-typescript", str(ROOT / "docs/openapi.json"), "-o", "swapline.ts")
    run(whole, tmp_path, "npx", "tsc", *STRICT.split(), "client.ts")
    own = {"PORT": str(free_port()), "SWAPLINE_ADMIN_KEY": whole.new_key("acme", Scope.ADMIN)}
    found = json.loads(run(whole, tmp_path, "node", "client.js", "me.jpg", **own))
    job = whole.producer.get(found["id"])
    assert found == {"id": job.job_id, "state": "SUCCEEDED", "bytes": job.images[0].bytes, "hook": job.job_id}


def test_every_reference_in_the_description_is_there() -> None:
    document = json.loads((ROOT / "docs/openapi.json").read_text())
    named = set(re.findall(r"#/components/schemas/(\w+)", json.dumps(document)))
    assert named <= set(document["components"]["schemas"])
