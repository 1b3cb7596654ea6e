"""The board's settings."""

from __future__ import annotations

from pydantic import Field, SecretStr

from swapline_producer.errors import SettingsError
from swapline_producer.settings import ProducerSettings

MISSING = (
    "SWAPLINE_BOARD_PASSWORD is missing; the board shows pictures of people and never opens without a password."
    " Set it in the environment or in .env, or name a file that holds it in SWAPLINE_BOARD_PASSWORD_FILE."
)

SAME = (
    "SWAPLINE_BOARD_CONSOLE_PASSWORD is the same as SWAPLINE_BOARD_PASSWORD, so all who may look could decide as well;"
    " give the console another password."
)


class BoardSettings(ProducerSettings):
    """The ledger, the store for the pictures, and the passwords."""

    board_user: str = Field(
        "swapline", min_length=1, pattern=r"^[^:]+$", description="the user name that the board asks for"
    )
    board_password: SecretStr | None = Field(None, description="the password that the board asks for")

    board_console_password: SecretStr | None = Field(
        None, description="a second password: who gives this one can decide about jobs on the board, not only look"
    )

    @property
    def console_password(self) -> str:
        """The second password, or nothing. Raises SettingsError where it is the first."""
        password = self.board_console_password.get_secret_value() if self.board_console_password else ""
        if password and password == self.password:
            raise SettingsError(SAME)
        return password

    @property
    def password(self) -> str:
        """The password as plain text. Raises SettingsError where there is none."""
        password = self.board_password.get_secret_value() if self.board_password else ""
        if not password.strip():
            raise SettingsError(MISSING)
        return password
