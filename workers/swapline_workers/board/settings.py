"""What the board needs to know beside what producers know: who may look."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 -- pydantic reads the annotation

from pydantic import Field, SecretStr

from swapline_producer.errors import SettingsError
from swapline_producer.settings import ProducerSettings

MISSING = (
    "SWAPLINE_BOARD_PASSWORD is missing; the board shows pictures of people and never opens without a password."
    " Set it in the environment or in .env, or name a file that holds it in SWAPLINE_BOARD_PASSWORD_FILE."
)


class BoardSettings(ProducerSettings):
    """What the board needs: the ledger, the store for the pictures, and a password."""

    board_user: str = Field(
        "swapline", min_length=1, pattern=r"^[^:]+$", description="the name that the board asks for"
    )
    board_password: SecretStr | None = Field(None, description="the password that the board asks for")
    board_password_file: Path | None = Field(None, description="a file that holds it, instead")

    @property
    def password(self) -> str:
        """The password; the file is read where the environment does not have it. Raises SettingsError for none."""
        password = self.board_password.get_secret_value() if self.board_password else self._read()
        if not password.strip():
            raise SettingsError(MISSING)
        return password

    def _read(self) -> str:
        if self.board_password_file is None:
            return ""
        try:
            return self.board_password_file.read_text(encoding="utf-8").strip("\r\n")  # an editor ends it with a line
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            raise SettingsError(
                f"SWAPLINE_BOARD_PASSWORD_FILE cannot be read: {self.board_password_file}: {reason}.",
            ) from None
