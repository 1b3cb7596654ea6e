from __future__ import annotations

import json
from typing import TYPE_CHECKING

from swapline_producer.settings import ProducerSettings
from swapline_workers.dispatch.broker import broker_settings

if TYPE_CHECKING:
    from pathlib import Path


def test_the_files_go_to_the_broker_and_to_the_sentinels_too(tmp_path: Path) -> None:
    (tmp_path / "ca").touch()
    url = f"sentinel://:pw@a;b/mine?sentinel_password=other&ssl_ca_certs={tmp_path / 'ca'}"
    producer = ProducerSettings(redis_url=url)
    settings = broker_settings(producer)
    assert settings["broker_use_ssl"]["ssl_ca_certs"] == str(tmp_path / "ca")
    assert settings["broker_transport_options"]["master_name"] == "mine"
    assert "other" not in json.dumps(settings["broker_transport_options"])  # `inspect stats` shows them
    assert producer.redis.sentinel_options["ssl_ca_certs"] == str(tmp_path / "ca")
    assert producer.redis.sentinel_options["password"] == "other"
