"""What settings become: the parts that call other hosts get what leads there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import SecretStr

from swapline_workers.runtime import clients
from swapline_workers.runtime.bootstrap import build_services
from swapline_workers.settings import WorkerSettings

if TYPE_CHECKING:
    import pytest

    from swapline_producer.storage import Storage


def test_the_public_url_and_the_proxy_reach_the_parts_that_use_them(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[object] = []

    def note(**options: object) -> None:
        given.append(options["egress_proxy"])

    settings = WorkerSettings(
        storage_url="file:///srv/pictures",
        storage_public_url="https://pictures.example.com",
        api_base_url="https://vendor.test",
        api_key=SecretStr("key"),
        api_key_header="X-Key",
        https_proxy=SecretStr("http://me:secret@proxy.internal:3128"),
    )
    for name in ("VendorClient", "WebhookSender"):
        monkeypatch.setattr(clients, name, note)
    pictures: list[Storage] = []
    monkeypatch.setattr(clients, "PictureStore", pictures.append)
    build_services(settings)
    assert [str(proxy) for proxy in given] == ["proxy.internal:3128"] * 2
    assert [storage.url("a.png") for storage in pictures] == ["https://pictures.example.com/a.png"]
