"""The pages: each reads the ledger once and renders one template."""

from __future__ import annotations

import hashlib
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response

from swapline_producer.contract import FailureCode, Priority, State, StoredImage
from swapline_producer.contract.jobs.history import HOUR, PERIODS
from swapline_producer.errors import ObjectMissing, StorageError
from swapline_workers.board.access.actors import COOKIE
from swapline_workers.board.console import Choices
from swapline_workers.board.facts.finding import find
from swapline_workers.board.facts.listing import Filters, NotUnderstood, listing
from swapline_workers.board.facts.overview import read_overview
from swapline_workers.board.facts.plots import plots, ticks
from swapline_workers.board.facts.story import story
from swapline_workers.board.thumbnails import NoThumbnail

if TYPE_CHECKING:
    from jinja2 import Environment
    from starlette.requests import Request

    from swapline_producer.contract import Job
    from swapline_producer.ledger import Ledger
    from swapline_workers.board.console import Console
    from swapline_workers.board.thumbnails import Thumbnails

PICTURES = 8


GONE = "Not stored any more."
INPUT_GONE = "Not stored any more; SWAPLINE_INPUT_SHOWN keeps inputs for a while after success."


class Pages:
    """Pages over a ledger and, if known, its store."""

    def __init__(self, ledger: Ledger, thumbnails: Thumbnails | None, templates: Environment, console: Console) -> None:
        """Render with these templates."""
        self._console = console
        self._ledger = ledger
        self._thumbnails = thumbnails
        self._templates = templates

    def overview(self, request: Request) -> Response:
        """Show states, slots, the waiting line, failures and the latest jobs."""
        return self._page(request, "overview.html", overview=read_overview(self._ledger), here="overview")

    def jobs(self, request: Request) -> Response:
        """Show the list of jobs."""
        filters = Filters.of(request.query_params)
        page = listing(self._ledger, filters)
        choices = {"priorities": Priority, "codes": FailureCode}
        return self._page(request, "jobs.html", filters=filters, listing=page, here="jobs", **choices)

    def job(self, request: Request) -> Response:
        """Show one job."""
        job = self._ledger.jobs.get(request.path_params["job_id"])
        known = story(job, self._ledger.jobs.events(job.job_id), self._ledger.now())
        pictures = self._pictures(job)
        gone = any(problem for _, problem in pictures["results"])
        context = {"choices": Choices.of(job, results_gone=gone), "done": request.query_params.get("done", "")}
        return self._page(request, "job.html", story=known, job=job, here="jobs", **context, **pictures)

    def history(self, request: Request) -> Response:
        """Show the last hour, day or week as plots."""
        name = request.query_params.get("period", HOUR.name)
        if name not in PERIODS:
            raise NotUnderstood(f"There is no period {name[:40]!r}; there are {', '.join(PERIODS)}.")
        period, now = PERIODS[name], self._ledger.now()
        points = self._ledger.history.read(period)
        drawn = {"plots": plots(period, points, now), "ticks": ticks(period, now), "points": points, "now": now}
        return self._page(request, "history.html", here="history", period=period, periods=PERIODS, **drawn)

    def console(self, request: Request) -> Response:
        """Ask for the password or a key, or say who is signed in."""
        return self._page(request, "console.html", here="console", has_cookie=COOKIE in request.cookies)

    def search(self, request: Request) -> Response:
        """Show what was found for `q`, or go to the only job."""
        found = find(self._ledger, request.query_params.get("q", ""))
        if only := found.job_id or found.only:
            return RedirectResponse(
                f"{self._templates.globals['root']}/jobs/{quote(only, safe='')}", HTTPStatus.SEE_OTHER
            )
        return self._page(request, "search.html", found=found, here="search")

    def picture(self, request: Request) -> Response:
        """Send a small picture of the input (`input`) or a result (`0`, …)."""
        job = self._ledger.jobs.get(request.path_params["job_id"])
        key = _key(job, request.path_params["which"])
        if key is None or self._thumbnails is None:
            return PlainTextResponse("There is no such picture.", HTTPStatus.NOT_FOUND)
        try:
            return Response(self._thumbnails.of(key), media_type="image/jpeg")
        except ObjectMissing:
            return PlainTextResponse("The picture is not stored any more.", HTTPStatus.NOT_FOUND)
        except NoThumbnail as error:
            return PlainTextResponse(f"There is no small picture: {error}.", HTTPStatus.UNSUPPORTED_MEDIA_TYPE)

    def error(self, request: Request, status: HTTPStatus, sentence: str) -> Response:
        """Return an error page."""
        content = self._templates.get_template("error.html").render(
            request=request, status=status, sentence=sentence, here="", States=State, q="", actor=None
        )
        return HTMLResponse(content, status)

    def _page(self, request: Request, template: str, **context: Any) -> Response:
        """Render a page, or return 304 where the browser has it."""
        q = request.query_params.get("q", "")
        who = self._console.context(request)
        content = self._templates.get_template(template).render(request=request, States=State, q=q, **who, **context)
        tag = f'"{hashlib.sha256(content.encode()).hexdigest()[:32]}"'
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers={"ETag": tag})
        return HTMLResponse(content, headers={"ETag": tag})

    def _pictures(self, job: Job) -> dict[str, Any]:
        """Return a job's pictures, or sentences in their place."""
        input_image = job.spec.image if isinstance(job.spec.image, StoredImage) else None
        return {
            "input_image": input_image,
            "input_image_problem": self._problem(input_image.key, INPUT_GONE) if input_image else None,
            "results": [(image, self._problem(image.key)) for image in job.images[:PICTURES]],
        }

    def _problem(self, key: str, gone: str = GONE) -> str | None:
        if self._thumbnails is None:
            return "Set SWAPLINE_STORAGE_URL for the board, and it shows the pictures."
        try:
            return None if self._thumbnails.there(key) else gone
        except StorageError:
            return "The store does not answer."


def _key(job: Job, which: str) -> str | None:
    if which == "input":
        return job.spec.image.key if isinstance(job.spec.image, StoredImage) else None
    number, _, variant = which.partition("-")
    if not number.isdecimal() or len(number) > 3 or int(number) >= len(job.images):  # noqa: PLR2004 -- 999 is plenty
        return None
    image = job.images[int(number)]
    if not variant:
        return image.key
    return next((one.key for one in image.variants if one.name == variant), None)
