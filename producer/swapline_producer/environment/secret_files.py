"""Settings whose value lies in a file: `SWAPLINE_API_KEY_FILE=/run/secrets/api_key`.

The environment overrides `.env`; within one a setting may be given once.
"""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic_settings import PydanticBaseSettingsSource

from swapline_producer.environment.dotenv_file import read_dotenv
from swapline_producer.environment.service_links import is_service_link
from swapline_producer.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic.fields import FieldInfo

SUFFIX = "_FILE"

LARGEST = 65_536
"""Bytes: sixty times the longest list of secrets."""


class FromFiles(PydanticBaseSettingsSource):
    """Reads the settings whose `…_FILE` is set."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002 -- its shape
        """Return a setting's file without its last line break, or None."""
        name = f"{self.config.get('env_prefix', '')}{field_name}".upper()
        path = self._path(name)
        return (None if path is None else read_setting(name + SUFFIX, path)), field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return all settings that come from files."""
        fields = self.settings_cls.model_fields
        own = SUFFIX.lower()  # a setting that has a field of its own for its file reads it by itself
        found = {
            name: self.get_field_value(field, name)[0] for name, field in fields.items() if name + own not in fields
        }
        return {name: value for name, value in found.items() if value is not None}

    def _path(self, name: str) -> str | None:
        for place, given in (("the environment", os.environ), (".env", self._dotenv)):
            value, path = given.get(name), given.get(name + SUFFIX)
            value = None if is_service_link(name, value) else value
            if value and path:
                raise SettingsError(f"{name} and {name}{SUFFIX} are both set in {place}; keep one of them.")
            if value or path:
                return path or None
        return None

    @cached_property
    def _dotenv(self) -> Mapping[str, str | None]:
        return read_dotenv()


def read_setting(name: str, path: str) -> str:
    """Read the variable's file. Raises SettingsError, which never shows it."""
    try:
        with Path(path).open(encoding="utf-8") as file:
            text = file.read(LARGEST + 1)
    except OSError as error:
        raise SettingsError(f"{name} names {path}, which cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{name} names {path}, which is no text.") from None
    if len(text) > LARGEST or not text.strip():
        raise SettingsError(f"{name} names {path}, which is {'empty' if not text.strip() else 'no setting: too long'}.")
    return text.rstrip("\r\n")
