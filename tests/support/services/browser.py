"""A real Chromium for tests: it knows a name and a password, and notes what goes wrong and where it goes."""

from __future__ import annotations

import shutil
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Error, expect, sync_playwright

from support.programs.debian import needs

if TYPE_CHECKING:
    from collections.abc import Generator

    from playwright.sync_api import Browser, HttpCredentials, Page

expect.set_options(timeout=30_000)  # a machine may be busy; what is waited for comes in a second or two

needs_chromium = needs("chromium", "chromium")
OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
)  # fmt: skip


@dataclass
class Visit:
    """A page, what its console complained of, and every address that was asked for."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    answers: dict[str, int] = field(default_factory=dict)
    """The status of what was answered, by its address."""

    @property
    def hosts(self) -> set[str]:
        return {urlsplit(url).netloc for url in self.asked}

    def is_refused(self, url: str) -> bool:
        """Whether the server answers 401. After a wrong password Chromium shows an error of its own."""
        with suppress(Error):
            self.page.goto(url)
        return self.answers[url] == HTTPStatus.UNAUTHORIZED


@pytest.fixture(scope="module")
def chromium() -> Generator[Browser]:
    """A browser for a module: while it runs, `asyncio.run` cannot be called in this thread."""
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=list(OPTIONS))
        yield browser
        browser.close()


@contextmanager
def visit(
    browser: Browser, *, user: str | None = None, password: str = "", width: int = 1200, **options: Any
) -> Generator[Visit]:
    """Open a fresh window, `width` pixels wide, which knows this name and password or none."""
    known: HttpCredentials | None = {"username": user, "password": password} if user else None
    context = browser.new_context(viewport={"width": width, "height": 800}, http_credentials=known, **options)
    context.set_default_timeout(30_000)
    page = context.new_page()
    visited = Visit(page)
    page.on("console", lambda line: visited.complaints.append(line.text) if line.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: visited.complaints.append(str(error)))
    page.on("request", lambda request: visited.asked.append(request.url))
    page.on("response", lambda response: visited.answers.update({response.url: response.status}))
    try:
        yield visited
    finally:
        context.close()
