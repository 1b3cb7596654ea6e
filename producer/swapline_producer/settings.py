"""Settings from the environment (prefix `SWAPLINE_`) and `.env`, read once at an entry and handed down.

Each field is one row of the table in the README; a test holds the two together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from swapline_producer.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic_core import ErrorDetails

ENV_PREFIX = "SWAPLINE_"
DAY = 86_400.0


class ProducerSettings(BaseSettings):
    """What a backend that gives jobs needs to know."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    redis_url: str = Field("redis://localhost:6379/0", description="broker and ledger")
    storage_url: str | None = Field(None, description="where inputs, staging and results live")
    key_prefix: str = Field("swapline", pattern=r"^[A-Za-z0-9_-]+$", description="of every Redis key and queue")
    queue_ttl: float = Field(DAY, gt=0, description="seconds a job may wait for a slot")
    run_timeout: float = Field(1800, gt=0, description="seconds the vendor may take")
    input_ttl: float = Field(DAY, gt=0, description="seconds an input picture that no unfinished job needs is kept")
    result_ttl: float | None = Field(None, gt=0, description="seconds results are kept; for ever when absent")
    job_ttl: float = Field(30 * DAY, gt=0, description="seconds a finished job's record is kept")
    webhook_allow_private: bool = Field(default=False, description="http and private addresses, for development")

    @field_validator("redis_url")
    @classmethod
    def _known_scheme(cls, value: str) -> str:
        if not value.startswith(("redis://", "rediss://", "unix://")):
            msg = "must begin with redis://, rediss:// or unix://"
            raise ValueError(msg)
        return value

    @property
    def broker_url(self) -> str:
        """The same server as `redis_url`, as Celery spells it."""
        if self.redis_url.startswith("unix://"):
            return "redis+socket://" + self.redis_url.removeprefix("unix://").replace("?db=", "?virtual_host=")
        return self.redis_url


S = TypeVar("S", bound=ProducerSettings)


def load(kind: type[S]) -> S:
    """Read settings of one kind from the environment.

    Raises SettingsError naming every setting that is missing or wrong, one line each, and never a value.
    """
    try:
        return kind()
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
