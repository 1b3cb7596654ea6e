"""The board's settings."""

from __future__ import annotations

from pydantic import Field, SecretStr

from swapline_producer.errors import SettingsError
from swapline_producer.settings import ProducerSettings

MISSING = (
    "SWAPLINE_BOARD_PASSWORD is missing; the board shows pictures of people and never opens without a password."
    " Set it in the environment or in .env, or name a file that holds it in SWAPLINE_BOARD_PASSWORD_FILE."
)


class BoardSettings(ProducerSettings):
    """The ledger, the store for the pictures, and a password."""

    board_user: str = Field(
        "swapline", min_length=1, pattern=r"^[^:]+$", description="the user name that the board asks for"
    )
    board_password: SecretStr | None = Field(None, description="the password that the board asks for")

    @property
    def password(self) -> str:
        """The password as plain text. Raises SettingsError where there is none."""
        password = self.board_password.get_secret_value() if self.board_password else ""
        if not password.strip():
            raise SettingsError(MISSING)
        return password
