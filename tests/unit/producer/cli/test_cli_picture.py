"""What a person at a shell gives as a picture: a file wherever it can be one."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from support.pictures.pngs import png
from swapline_producer.cli.enqueue import picture

BASE64 = base64.b64encode(png()).decode()


@pytest.mark.parametrize(
    "text", ["https://pictures.example/me.jpg", "ftp://x", "DATA:image/png;base64,AA", BASE64, "", " "]
)
def test_what_is_no_file_stays_a_text(text: str) -> None:
    assert picture(text) == text


@pytest.mark.parametrize("text", ["me.jpg", "/no/such.jpg", "pic/face", "~/me.jpg", "http:me.jpg", "QUJD"])
def test_anything_else_is_a_file(text: str) -> None:
    assert picture(text) == Path(text)


def test_a_file_with_a_name_like_base64_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("iVBORw0KGgo").touch()
    assert picture("iVBORw0KGgo") == Path("iVBORw0KGgo")
