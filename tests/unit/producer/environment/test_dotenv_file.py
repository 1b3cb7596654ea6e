"""`.env` is read as it stands, or refused in one sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from swapline_producer.environment.dotenv_file import read_dotenv
from swapline_producer.errors import SettingsError
from swapline_producer.settings import ProducerSettings, load

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (
            b"# a comment\nSWAPLINE_KEY_PREFIX=caf\xe9\n",
            r"^\.env is not UTF-8 \(line 2, byte 0xe9\); save it as UTF-8\.$",
        ),
        ("SWAPLINE_KEY_PREFIX=a\n".encode("utf-16"), r"^\.env is not UTF-8 \(line 1, byte 0xff\); save it as UTF-8\.$"),
    ],
    ids=["Latin-1", "UTF-16"],
)
def test_what_is_not_utf_8_is_reported_in_one_sentence_that_shows_no_value(
    tmp_path: Path, data: bytes, sentence: str
) -> None:
    (tmp_path / ".env").write_bytes(data)
    with pytest.raises(SettingsError, match=sentence):
        load(ProducerSettings)


def test_a_file_that_must_not_be_read_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").touch()

    def deny(_: object) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.read_bytes", deny)  # the tests may run as root, whom no mode keeps out
    with pytest.raises(SettingsError, match=r"^\.env cannot be read: Permission denied\.$"):
        load(ProducerSettings)


def test_a_mark_of_byte_order_is_no_part_of_a_name(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("SWAPLINE_KEY_PREFIX=from_notepad\r\n", encoding="utf-8-sig")
    assert load(ProducerSettings).key_prefix == "from_notepad"


def test_a_folder_or_nothing_is_no_file(tmp_path: Path) -> None:
    assert read_dotenv(tmp_path / "nothing") == {}
    (tmp_path / ".env").mkdir()
    assert load(ProducerSettings).key_prefix == "swapline"


def test_nothing_is_put_in_the_place_of_a_reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("inside", "WRONG")
    (tmp_path / "url").write_text("redis://:p${inside}w@h/0")
    (tmp_path / ".env").write_text(
        "SWAPLINE_STORAGE_URL=file:///a${inside}b$inside\nSWAPLINE_REDIS_URL_FILE='${inside}'\n"
    )
    assert read_dotenv()["SWAPLINE_STORAGE_URL"] == "file:///a${inside}b$inside"
    with pytest.raises(SettingsError, match=r"names \$\{inside\}, which cannot be read"):
        load(ProducerSettings)
    (tmp_path / "${inside}").write_text("redis://:p${inside}w@h/0")
    assert load(ProducerSettings).redis.password == "p${inside}w"
    assert load(ProducerSettings).storage_url == "file:///a${inside}b$inside"
