"""Names of all settings of every part, which may share an environment."""

from __future__ import annotations

import difflib
import os
from typing import TYPE_CHECKING, NamedTuple

from swapline_producer.environment.dotenv_file import read_dotenv
from swapline_producer.environment.service_links import without_service_links
from swapline_producer.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "SWAPLINE_"

SETTINGS = frozenset(
    [
        "ACCOUNTS",
        "API_BASE_URL",
        "API_KEY",
        "API_KEY_HEADER",
        "API_KEY_PREFIX",
        "BOARD_CONSOLE_PASSWORD",
        "BOARD_PASSWORD",
        "BOARD_USER",
        "C2PA_ALGORITHM",
        "C2PA_CERTIFICATE",
        "C2PA_KEY",
        "C2PA_TIMESTAMP_URL",
        "CHECK_PIXELS",
        "CLEAN_COPY",
        "CREDITS_PER_DAY",
        "DISPATCH",
        "DIGITAL_SOURCE_TYPE",
        "FLOWER_URL",
        "GATEWAY_BURST",
        "GATEWAY_MAX_BODY",
        "GATEWAY_RATE",
        "HEARTBEAT_FILE",
        "HTTPS_PROXY",
        "INPUT_SHOWN",
        "INPUT_TTL",
        "JOB_TTL",
        "KEEP_ORIGINAL",
        "KEY_PREFIX",
        "LOG_FORMAT",
        "LOG_LEVEL",
        "LOST_AFTER",
        "MAX_IN_FLIGHT",
        "MAX_PICTURES",
        "METRICS_HOST",
        "METRICS_PASSWORD",
        "METRICS_PORT",
        "ON_AMBIGUOUS_SUBMIT",
        "PICTURES_IN_HAND",
        "POLL_BUDGET",
        "POLL_MAX_INTERVAL",
        "POLL_MIN_INTERVAL",
        "POLL_RATE",
        "PREPARE",
        "PREPARE_MAX_SIDE",
        "QUEUE_TTL",
        "REDIS_REPLICAS",
        "REDIS_URL",
        "REQUIRE_FACE",
        "RESCUE_AFTER",
        "RESULT_TTL",
        "RUN_TIMEOUT",
        "STATUS_TIMEOUT",
        "STOP_GRACE",
        "STORAGE_PUBLIC_URL",
        "STORAGE_TIMEOUT",
        "STORAGE_URL",
        "STORE_TIMEOUT",
        "STRIP_METADATA",
        "SUBMIT_RATE",
        "SUBMIT_TIMEOUT",
        "VARIANTS",
        "WEBHOOK_ALLOW_PRIVATE",
        "WEBHOOK_DISABLE_AFTER",
        "WEBHOOK_SCHEDULE",
        "WEBHOOK_SECRETS",
        "WEBHOOK_TENANT_SECRETS",
        "WEBHOOK_TIMEOUT",
    ]
)
"""Without the prefix. A test compares them."""


class Misspelt(NamedTuple):
    """A variable that no part reads, and the setting perhaps meant."""

    name: str
    meant: str | None

    def __str__(self) -> str:
        hint = f"did you mean {self.meant}?" if self.meant else "docs/settings.md has all there are."
        return f"{self.name} is set, and there is no such setting; {hint}"


def misspelt(variables: Mapping[str, str | None] | None = None) -> list[Misspelt]:
    """Return misspelt settings, by default of the environment and `.env`.

    Not service links, SWAPLINE_TEST_…, settings' files (…_FILE).
    """
    if variables is None:
        try:
            variables = read_dotenv() | os.environ
        except SettingsError:
            return []
    given = {name.upper() for name in without_service_links(variables)}
    names = sorted(name.removeprefix(PREFIX) for name in given if name.startswith(PREFIX))
    return [
        Misspelt(PREFIX + name, _nearest(name))
        for name in names
        if not (name in SETTINGS or name.removesuffix("_FILE") in SETTINGS or name.startswith("TEST_"))
    ]


def _nearest(name: str) -> str | None:
    stem = name.removesuffix("_FILE")
    near = difflib.get_close_matches(stem, sorted(SETTINGS), n=1)
    return PREFIX + near[0] + name[len(stem) :] if near else None
