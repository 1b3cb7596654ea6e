"""The file `.env`: read in one way by settings, by names of files, and by the doctor."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from dotenv import dotenv_values
from pydantic_settings import EnvSettingsSource

from swapline_producer.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping


def read_dotenv(path: str | Path = ".env") -> dict[str, str | None]:
    """Read the variables of a file, none where there is none. `${…}` stands for itself: a key may have it inside.

    Raises SettingsError, which never shows what is in it.
    """
    file = Path(path)
    if not file.exists() or file.is_dir():
        return {}
    try:
        data = file.read_bytes()
        return dotenv_values(stream=StringIO(data.decode("utf-8-sig")), interpolate=False)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SettingsError(
            f"{file} is not UTF-8 (line {line}, byte {data[error.start]:#04x}); save it as UTF-8."
        ) from None
    except OSError as error:
        raise SettingsError(f"{file} cannot be read: {error.strerror}.") from None


class DotEnv(EnvSettingsSource):
    """Settings from `.env`, in place of pydantic's own reader, which is left without a file."""

    def _load_env_vars(self) -> Mapping[str, str | None]:
        found = read_dotenv()
        return {name.lower(): value for name, value in found.items() if value}
