"""Settings (`SWAPLINE_…`), read once at an entry and handed down. Source of docs/settings.md."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict

from swapline_producer.contract.enums import Prepare, StripMetadata
from swapline_producer.contract.values import TEN_YEARS, Seconds
from swapline_producer.environment.dotenv_file import read_dotenv
from swapline_producer.environment.secret_files import FromFiles
from swapline_producer.environment.service_links import without_service_links
from swapline_producer.errors import SettingsError
from swapline_producer.redis_url import RedisServer, parse_redis_url

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pydantic_core import ErrorDetails
    from pydantic_settings import PydanticBaseSettingsSource

ENV_PREFIX = "SWAPLINE_"
DAY = 86_400.0


class Environment(EnvSettingsSource):
    """Without service links, whose names can be those of settings."""

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return without_service_links(super()._load_env_vars())


class DotEnv(EnvSettingsSource):
    """In place of pydantic's own reader."""

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return {name.lower(): value for name, value in read_dotenv().items() if value}


class ProducerSettings(BaseSettings):
    """What a backend that gives jobs needs."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        env_ignore_empty=True,
        allow_inf_nan=False,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    redis_url: str = Field(
        "redis://localhost:6379/0",
        description="broker and ledger: `redis://`, `rediss://`, `unix://` or "
        "`sentinel://host:26379;host:26379/SERVICE`, with passwords and certificates in the URL",
    )
    redis_replicas: int = Field(
        0,
        ge=0,
        le=100,
        description="replicas that must have a job before it counts as accepted, and its attempt before the "
        "paid call; with Sentinel, as many as there are",
    )
    storage_url: str | None = Field(
        None, description="where inputs and results are stored: `file://`, `s3://`, `gs://` or `az://`"
    )
    storage_public_url: str | None = Field(
        None, description="where links to results lead, when customers reach the store by another host than workers do"
    )
    key_prefix: str = Field("swapline", pattern=r"^[A-Za-z0-9_-]+$", description="prefix of every Redis key and queue")
    queue_ttl: Seconds = Field(DAY, description="seconds a job may wait for a slot; a request may carry its own")
    run_timeout: Seconds = Field(1800, description="seconds the vendor may take; a request may carry its own")
    input_shown: float = Field(
        0,
        ge=0,
        le=TEN_YEARS,
        description="seconds an input is kept after its job has succeeded, for the board to show; `swapline "
        "up`, the demo and compose set 3600",
    )
    input_ttl: Seconds = Field(
        DAY,
        description="seconds an input is kept that no unfinished job needs; it is deleted at once when its "
        "last job succeeds",
    )
    result_ttl: Seconds | None = Field(
        None, description="seconds results and receipts are kept after their job has ended; for ever when absent"
    )
    job_ttl: Seconds = Field(30 * DAY, description="seconds the record of a finished job is kept")
    prepare: Prepare = Field(
        Prepare.AUTO,
        description="whether pictures are made fit for the vendor before they are stored: `auto`, `off`, or `strict` "
        "(refuse what would have to be changed); a request may say otherwise",
    )
    prepare_max_side: int = Field(
        4096, ge=512, le=10_000, description="pixels of the longer side of pictures that are made anew, at most"
    )
    require_face: bool = Field(
        default=False, description="refuse pictures without a face, uncharged; a request may say otherwise"
    )
    strip_metadata: StripMetadata = Field(
        StripMetadata.GPS,
        description="what is left out of pictures that need no decoding: `gps` (where they were taken), `all` "
        "metadata, or `off`",
    )
    webhook_allow_private: bool = Field(
        default=False, description="webhooks to http and private addresses, for development"
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 -- its shape; ours is another
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 -- the same
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment, then files that it or `.env` names, then `.env`."""
        return (
            init_settings,
            Environment(settings_cls),
            FromFiles(settings_cls),
            DotEnv(settings_cls),
            file_secret_settings,
        )

    @field_validator("redis_url")
    @classmethod
    def _readable(cls, value: str) -> str:
        parse_redis_url(value)
        return value

    @property
    def redis(self) -> RedisServer:
        """The parts of `redis_url`."""
        return parse_redis_url(self.redis_url)


UNUSED_URL = "https://named-in.swapline-accounts.invalid"
"""The single account's address where several are named: nothing calls it."""


def base_url(value: str) -> str:
    """Check a vendor's address. Raises ValueError."""
    if not value.startswith(("http://", "https://")):
        msg = "must begin with https:// (or http:// for a simulator)"
        raise ValueError(msg)
    parts = urlsplit(value)
    if parts.username is not None or parts.query or parts.fragment or not parts.hostname or parts.port == 0:
        msg = "must be a host, and perhaps a port and a path: no user name, query or fragment"
        raise ValueError(msg)
    return value.rstrip("/")


class VendorSettings(ProducerSettings):
    """The vendor's account, or accounts, that a process works with."""

    accounts: SecretStr | None = Field(
        None,
        description="several accounts of the vendor's, instead of one: a JSON list, or the path of a file with one, "
        "read again when it changes (docs/guides/accounts.md)",
    )
    api_base_url: Annotated[str, AfterValidator(base_url)] = Field(
        description="the vendor's address, without `/v6`; the ledger belongs to it"
    )
    api_key: SecretStr = Field(description="the vendor's key; a new one needs `swapline accounts adopt`")

    @model_validator(mode="before")
    @classmethod
    def _need_no_single_account(cls, values: Any) -> Any:
        """Fill in what `SWAPLINE_ACCOUNTS` makes superfluous: each account has its own."""
        if not isinstance(values, dict) or not values.get("accounts"):
            return values
        unused = {"api_base_url": UNUSED_URL, "api_key": "-", "api_key_header": "Authorization"}
        return {name: value for name, value in unused.items() if name in cls.model_fields} | values


S = TypeVar("S", bound=ProducerSettings)


def load(kind: type[S], **given: Any) -> S:
    """Read settings; `given` overrides them.

    Raises SettingsError naming every wrong setting, and never a value.
    """
    try:
        return kind(**given)
    except ValidationError as error:
        raise SettingsError(_sentences(error.errors(include_url=False, include_input=False))) from None


def _sentences(errors: Iterable[ErrorDetails]) -> str:
    lines = []
    for error in errors:
        name = ENV_PREFIX + ".".join(str(part) for part in error["loc"]).upper().removeprefix(ENV_PREFIX)
        if error["type"] == "missing":
            lines.append(f"{name} is missing; set it in the environment or in .env.")
        else:
            lines.append(f"{name} is wrong: {error['msg'].removeprefix('Value error, ')}.")
    return "\n".join(lines)
