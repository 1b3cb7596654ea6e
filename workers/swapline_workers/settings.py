"""What workers need beside what producers do."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path  # noqa: TC003 -- pydantic reads the annotation at run time
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode

from swapline_producer.contract import MOST_CREDITS, Seconds
from swapline_producer.settings import DAY, ProducerSettings, VendorSettings
from swapline_workers.pictures.settings import FinishSettings
from swapline_workers.proxy_address import ProxyAddress, parse_proxy_url

MOST_A_SECOND = 1_000_000.0
"""A higher limit is none."""

Timeout = Annotated[float, Field(gt=0, le=DAY)]
"""Seconds that hold up a socket, a slot or a step."""

WEBHOOK_SCHEDULE = (0.0, 5.0, 300.0, 1800.0, 7200.0, 18_000.0, 36_000.0, 50_400.0, 72_000.0, 86_400.0)
"""Seconds before each delivery of a webhook: ten attempts over 75 hours, as Standard Webhooks recommends."""


class AmbiguousSubmit(StrEnum):
    """For a paid call with an unknown outcome."""

    HOLD = "hold"
    RETRY = "retry"
    FAIL = "fail"


class Dispatch(StrEnum):
    """How a step reaches a thread."""

    LOCAL = "local"
    """Past Celery's consumer and tracer, where the pool has threads."""
    CELERY = "celery"
    """Celery's own way."""


def _webhook_secret(value: SecretStr) -> SecretStr:
    if not value.get_secret_value().startswith(("whsec_", "whsk_")):
        msg = "each secret must begin with whsec_ (or whsk_, for ed25519)"
        raise ValueError(msg)
    return value


def _proxy(value: SecretStr) -> SecretStr:
    parse_proxy_url(value.get_secret_value())
    return value


class AppSettings(ProducerSettings):
    """For every program that loads the Celery app."""

    dispatch: Dispatch = Field(
        Dispatch.LOCAL,
        description="how a step comes to a thread: `local` runs steps of this process without a message and without "
        "Celery's tracer; `celery` runs every step as an ordinary Celery task, for comparison and as a fallback",
    )


class MetricsSettings(ProducerSettings):
    """For `swapline metrics` and workers' own metrics."""

    metrics_host: str = Field(
        "127.0.0.1", description="the address that metrics are served at: by `swapline metrics`, and by each worker"
    )
    metrics_port: int | None = Field(
        None,
        ge=1,
        le=65_535,
        description="the port of a worker's own metrics (CPU, memory, steps, calls); further workers on one "
        "host take the next ones",
    )
    metrics_password: SecretStr | None = Field(
        None, description="the password for metrics (user `metrics`); required beyond loopback"
    )

    @property
    def metrics_secret(self) -> str | None:
        """The password as plain text."""
        return None if self.metrics_password is None else self.metrics_password.get_secret_value()


class LogSettings(ProducerSettings):
    """How a process logs and traces."""

    log_format: Literal["auto", "json", "text"] = Field(
        "auto", description="`json`, `text`, or `auto`: text on a terminal, JSON elsewhere"
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="`DEBUG` (every poll), `INFO` (one line a step), `WARNING` or `ERROR`"
    )


class WorkerSettings(AppSettings, MetricsSettings, LogSettings, FinishSettings, VendorSettings):
    """A worker's vendor, limits and policies."""

    storage_url: str = Field(description="where inputs and results are stored: `file://`, `s3://`, `gs://` or `az://`")
    api_key_header: str = Field(pattern=r"^[A-Za-z0-9-]+$", description="the header that carries the key")
    api_key_prefix: str = Field("", description="what stands before the key in the header, e.g. `Bearer `")
    max_in_flight: int = Field(3, ge=1, le=10_000, description="the vendor's cap for the account, over all workers")
    submit_rate: float | None = Field(
        None, gt=0, le=MOST_A_SECOND, description="submissions a second, over all workers"
    )
    credits_per_day: int | None = Field(
        None,
        ge=0,
        le=MOST_CREDITS,
        description="credits that may be spent on a day (UTC); submissions wait when they are spent",
    )
    poll_min_interval: Timeout = Field(0.25, description="seconds between two polls of a job, at least")
    poll_max_interval: Timeout = Field(20, description="seconds between two polls of a job, at most")
    poll_budget: float = Field(
        7,
        ge=2,
        le=100,
        description="polls of a job on average, once the service time of its kind is known: more polls, less idle time",
    )
    poll_rate: float | None = Field(
        None, gt=0, le=MOST_A_SECOND, description="polls a second, over all workers; polls above it are delayed"
    )
    status_timeout: Timeout = Field(
        30, description="seconds in all for one status call; the pictures of a completed job may take ten times as long"
    )
    submit_timeout: Timeout = Field(60, description="seconds in all for one submission")
    on_ambiguous_submit: AmbiguousSubmit = Field(
        AmbiguousSubmit.HOLD,
        description="what to do when the reply to a paid call is unknown: `hold`, `retry` or `fail`",
    )
    rescue_after: float = Field(
        15, ge=1, le=DAY, description="seconds after which a step that went silent is sent again"
    )
    store_timeout: float = Field(
        DAY,
        gt=0,
        le=30 * DAY,
        description="seconds in which the pictures of a completed job are read and stored, or it fails",
    )
    lost_after: float = Field(
        60, ge=0, le=DAY, description="seconds after submission in which the vendor may not know a job yet"
    )
    webhook_secrets: Annotated[tuple[Annotated[SecretStr, AfterValidator(_webhook_secret)], ...], NoDecode] = Field(
        (),
        description="comma-separated `whsec_…` (or `whsk_…`, key pairs); all of them sign, for rotation",
    )
    webhook_tenant_secrets: SecretStr | None = Field(
        None,
        description='keys of single tenants: a JSON object `{"acme": ["whsec_…"]}`, or the path of a file '
        "with one, read again when it changes",
    )
    webhook_schedule: Annotated[tuple[Annotated[float, Field(ge=0, le=30 * DAY)], ...], NoDecode] = Field(
        WEBHOOK_SCHEDULE,
        min_length=1,
        max_length=50,
        description="comma-separated seconds before each delivery of a webhook, +-20 %; as many attempts as "
        "there are numbers",
    )
    webhook_disable_after: Seconds = Field(
        5 * DAY,
        description="seconds that an endpoint may fail without a success before it is disabled; 410 disables "
        "it at once",
    )
    webhook_timeout: Timeout = Field(15, description="seconds in all for one delivery of a webhook")
    flower_url: str | None = Field(
        None,
        pattern=r"^https?://",
        description="where Flower is, for `swapline doctor`; without it `http://localhost:5555` is tried",
    )
    check_pixels: bool = Field(
        default=False, description="also inflate every picture and count its rows: 25 ms of CPU for 5 MB"
    )
    max_pictures: int = Field(
        16, ge=1, le=100, description="pictures of one job, at most 100; a reply with more fails with OUTPUT_TOO_MANY"
    )
    https_proxy: Annotated[SecretStr, AfterValidator(_proxy)] | None = Field(
        None,
        description="the proxy for https to the vendor and to webhooks: `http://[user:password@]host:port`; "
        "without it the environment's `HTTPS_PROXY` is not read for them",
    )
    storage_timeout: Timeout = Field(60, description="seconds for one read or write of an object")
    pictures_in_hand: int = Field(
        8, ge=1, le=10_000, description="jobs whose pictures one process has in memory at a time"
    )
    heartbeat_file: Path | None = Field(
        None,
        description="file in which a worker shows that it works on jobs, for `swapline alive`; one for each worker",
    )
    stop_grace: float = Field(
        25,
        ge=0,
        le=DAY,
        description="seconds that a stopping worker may finish its steps; then it releases the rest and ends",
    )

    @property
    def egress_proxy(self) -> ProxyAddress | None:
        """The parts of `https_proxy`."""
        return None if self.https_proxy is None else parse_proxy_url(self.https_proxy.get_secret_value())

    @field_validator("webhook_schedule")
    @classmethod
    def _first_at_once(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if value[0] != 0:
            msg = "the first number must be 0: the first attempt is made at once"
            raise ValueError(msg)
        return value

    @field_validator("webhook_secrets", "webhook_schedule", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _ordered(self) -> WorkerSettings:
        if self.poll_min_interval > self.poll_max_interval:
            msg = "SWAPLINE_POLL_MIN_INTERVAL must not exceed SWAPLINE_POLL_MAX_INTERVAL"
            raise ValueError(msg)
        named = {"max_in_flight", "submit_rate", "credits_per_day"} & self.model_fields_set
        if self.accounts is not None and named:
            msg = f"SWAPLINE_{min(named).upper()} is each account's own: write it in SWAPLINE_ACCOUNTS"
            raise ValueError(msg)
        return self
