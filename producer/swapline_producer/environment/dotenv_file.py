"""The file `.env`."""

from __future__ import annotations

from pathlib import Path

from swapline_producer.errors import SettingsError


def read_dotenv(path: str | Path = ".env") -> dict[str, str | None]:
    """Read a file's variables, without expanding `${…}`: a key may have it inside.

    Raises SettingsError, which shows no content.
    """
    file = Path(path)
    if not file.exists() or file.is_dir():
        return {}
    from io import StringIO  # noqa: PLC0415 -- most processes have no such file

    from dotenv import dotenv_values  # noqa: PLC0415 -- the same

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
