"""Draws the pictures of docs/images again: `make screenshots`. A whole system runs for them; nothing is painted.

`--views FOLDER` draws the board in all its shapes into a folder instead: wide and narrow, light and dark.
"""

from __future__ import annotations

import argparse
import http.server
import os
import subprocess
import sys
import tempfile
import threading
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from io import BytesIO
from itertools import product
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from PIL import Image
from playwright.sync_api import sync_playwright

from swapline_producer import Producer, ProducerSettings, SwapRequest
from swapline_producer.contract import Notification, Priority, State
from swapline_producer.webhooks.signing import new_secret
from swapline_simulator import Simulator, SimulatorConfig, sample_photographs
from swapline_workers.local.ports import free_port
from swapline_workers.local.valkey.server import EmbeddedValkey

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from playwright.sync_api import Browser, Page

IMAGES = Path(__file__).parent / "images"
FLOWER_CONFIG = Path(__file__).parents[1] / "workers/swapline_workers/web/flowerconfig.py"
USER, PASSWORD = "swapline", "only-for-the-pictures"
WIDTH = 1200
COLOURS = 200
"""Of a drawn PNG: a page has some twenty and their shades; a third of the size."""
FAILING, FIRST, WAITING = 6, 40, 64
"""Jobs that have failed and succeeded when the pictures are taken, and jobs that wait."""
TENANTS = ("north-mall", "north-mall", "north-mall", "atelier", "atelier", "photo-kiosk-7")
CHROMIUM = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync")


@dataclass(frozen=True)
class Scene:
    """A system at work."""

    producer: Producer
    vendor: Simulator
    board: str
    flower: str
    hook: str
    """Where webhooks are accepted."""


def until(happened: Callable[[], bool], what: str, seconds: float = 120) -> None:
    """Look until something has happened."""
    pause, give_up_at = threading.Event(), monotonic() + seconds
    while not happened():
        if monotonic() > give_up_at:
            sys.exit(f"{what} did not happen within {seconds:.0f} s.")
        pause.wait(0.1)


@contextmanager
def running(environment: dict[str, str], folder: Path, *arguments: str) -> Generator[Path]:
    """Run a command for the length of a block; gives its log."""
    log = folder / f"{arguments[0]}.log"
    with log.open("w") as out:
        child = subprocess.Popen(
            [Path(sys.executable).with_name("swapline"), *arguments],
            env=environment, cwd=folder, stdout=out, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        yield log
    finally:
        child.terminate()
        child.wait(60)


@contextmanager
def scene() -> Generator[Scene]:
    """Start everything and let it work until there is something to see."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(EmbeddedValkey(folder / "valkey"))
        vendor = stack.enter_context(Simulator(SimulatorConfig(seed=11, cap=6, service_time="lognormal:0.8,0.4")))
        board, flower = free_port(), free_port()
        store = (folder / "store").as_uri()
        environment = {
            "PATH": os.environ["PATH"],
            "SWAPLINE_REDIS_URL": server.url,
            "SWAPLINE_STORAGE_URL": store,
            "SWAPLINE_API_BASE_URL": vendor.url,
            "SWAPLINE_API_KEY": vendor.config.key,
            "SWAPLINE_API_KEY_HEADER": vendor.config.key_header,
            "SWAPLINE_MAX_IN_FLIGHT": "4",
            "SWAPLINE_INPUT_SHOWN": "600",
            "SWAPLINE_WEBHOOK_SECRETS": new_secret(),
            "SWAPLINE_WEBHOOK_ALLOW_PRIVATE": "true",
            "SWAPLINE_BOARD_PASSWORD": PASSWORD,
            "FLOWER_BASIC_AUTH": f"{USER}:{PASSWORD}",
        }
        settings = ProducerSettings(redis_url=server.url, storage_url=store, webhook_allow_private=True)
        producer = Producer.connect(settings)
        hook = stack.enter_context(accepting())
        flower_log = stack.enter_context(running(environment, folder, "flower", f"--port={flower}"))
        board_log = stack.enter_context(running(environment, folder, "board", "--port", str(board)))
        until(lambda: "Connected" in flower_log.read_text() or "Visit me" in flower_log.read_text(), "Flower's start")
        worker_log = stack.enter_context(running(environment, folder, "worker"))
        until(lambda: " ready." in worker_log.read_text(), "the worker's start")
        until(lambda: "The board is at" in board_log.read_text(), "the board's start")
        yield Scene(producer, vendor, f"http://127.0.0.1:{board}", f"http://127.0.0.1:{flower}", hook)


def request(number: int, **values: object) -> SwapRequest:
    """The number-th job."""
    photographs = sample_photographs()
    base = {
        "image": photographs[number % len(photographs)],
        "gender": number % 2,
        "filter_id": 12 + number % 5,
        "tenant": TENANTS[number % len(TENANTS)],
        "batch": "autumn-2026" if number % 3 == 0 else None,
        "metadata": {"order": str(4700 + number)},
        "idempotency_key": f"order-{4700 + number}",
    }
    return SwapRequest.model_validate(base | values)


class Hook(http.server.BaseHTTPRequestHandler):
    """Accepts every webhook."""

    def do_POST(self) -> None:
        """Answer 204."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


@contextmanager
def accepting() -> Generator[str]:
    """A place for webhooks; gives its address."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/hooks/faces"
        server.shutdown()


def some_that_ended(now: Scene) -> str:
    """Jobs that ended well and, a few, badly. Gives one that ended well."""
    ledger = now.producer.ledger

    def end(number: int, first: int) -> list[str]:
        numbers = range(first, first + number)
        ids = [now.producer.enqueue(request(n, webhook_url=now.hook)).job_id for n in numbers]
        until(lambda: all(job.notification is Notification.DELIVERED for job in ledger.jobs.get_many(ids)), "their end")
        return ids

    now.vendor.control.set_mode("result_failed")
    end(FAILING, 200)
    now.vendor.control.set_mode("result_ok")
    return end(FIRST, 0)[0]


def some_that_wait(now: Scene) -> str:
    """One that is held, some that run and many that wait. Gives the one that is held."""
    ledger, control = now.producer.ledger, now.vendor.control
    control.set_mode("submit_504_accepted")
    held = now.producer.enqueue(request(90, tenant="atelier")).job_id
    until(lambda: ledger.jobs.get(held).state is State.HELD, "the hold")
    control.set_mode("submit_ok")
    control.change(service_time="lognormal:60,0.2")
    for number in range(100, 100 + WAITING):
        high = number % 9 == 0
        now.producer.enqueue(request(number, priority=Priority.HIGH if high else Priority.NORMAL))
    until(lambda: ledger.stats.census()[State.RUNNING] == 3, "three running")  # noqa: PLR2004 -- of four slots one is held
    return held


def page_of(browser: Browser, *, width: int = WIDTH, dark: bool = False, scale: float = 1) -> Page:
    """A page that knows the password."""
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if dark else "light",
        device_scale_factor=scale,
        http_credentials={"username": USER, "password": PASSWORD},
    )
    return context.new_page()


def shoot(page: Page, url: str, target: Path, *, whole: bool = True, ready: str = "#live[data-is]") -> None:
    """Open a page and draw it small."""
    page.goto(url)
    page.wait_for_selector(ready)
    page.wait_for_load_state("networkidle") if "flower" in target.name else page.wait_for_timeout(300)
    data = page.screenshot(full_page=whole)
    with Image.open(BytesIO(data)) as image:
        image.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(target, optimize=True)
    print(f"{target}: {target.stat().st_size:,} bytes")  # noqa: T201 -- a tool says what it did


def main() -> None:
    """Draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--views", type=Path)
    views = parser.parse_args().views
    if views:
        views.mkdir(exist_ok=True, parents=True)
    with scene() as now, sync_playwright() as play:
        browser = play.chromium.launch(executable_path="/usr/bin/chromium", args=list(CHROMIUM))
        IMAGES.mkdir(exist_ok=True)
        done = some_that_ended(now)
        target = (views or IMAGES) / "flower.png"
        shoot(page_of(browser, width=1280), now.flower + "/tasks", target, whole=False, ready="#tasks-table tbody tr")
        held = some_that_wait(now)
        if views is None:
            shoot(page_of(browser), now.board, IMAGES / "board.png")
            shoot(page_of(browser), f"{now.board}/jobs/{done}", IMAGES / "board-job.png")
            return
        for name, path in {"overview": "/", "jobs": "/jobs", "job": f"/jobs/{done}", "held": f"/jobs/{held}"}.items():
            for width, dark in product((WIDTH, 360), (False, True)):
                target = views / f"{name}-{width}-{'dark' if dark else 'light'}.png"
                shoot(page_of(browser, width=width, dark=dark), now.board + path, target)


if __name__ == "__main__":
    main()
