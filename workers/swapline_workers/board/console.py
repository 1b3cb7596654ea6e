"""The console: decisions on the board, by forms that only its own pages can send."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl, quote, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from swapline_producer.contract import State, Step
from swapline_producer.contract.jobs.replay_facts import ReplayFacts
from swapline_producer.contract.values import DEFAULT_ACCOUNT
from swapline_producer.operations.recovery import Recovery
from swapline_producer.operations.replays import refusal
from swapline_workers.board.access.actors import COOKIE, LIFETIME_S, Actor, Actors

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from swapline_producer.contract import Job
    from swapline_producer.ledger import Ledger
    from swapline_producer.messaging.publisher import Publisher
    from swapline_producer.storage import Storage

MOST_SLOTS = 10_000
"""The most that a form may set, as the command."""

LONGEST_FORM = 4096
"""Bytes: an id and a few words."""

FOREIGN = "This form was not sent by a page of this board; open the page and send it from there."
READ_ONLY = "You may look, and not decide: sign in at the console with its password or an admin key."

Form = dict[str, str]


class Choices(NamedTuple):
    """What can be done to a job as it is now."""

    resolve: bool
    submit: bool
    poll: bool
    notify: bool
    cancel: bool

    @classmethod
    def of(cls, job: Job, *, results_gone: bool) -> Choices:
        """Ask the rules of replay. `results_gone`: a picture is not in the store."""
        facts = ReplayFacts.of(job)
        return cls(
            resolve=job.state is State.HELD,
            submit=refusal(facts, Step.SUBMIT) is None,
            poll=refusal(facts, Step.POLL, stored=job.state is State.SUCCEEDED and not results_gone) is None,
            notify=refusal(facts, Step.NOTIFY) is None,
            cancel=not job.state.finished and job.canceling is None,
        )


class Console:
    """Checks who asks, and does what the forms say."""

    def __init__(
        self, ledger: Ledger, publisher: Publisher, storage: Storage | None, actors: Actors, *, root_path: str = ""
    ) -> None:
        """Keep the parts. `root_path`: see `build_board`."""
        self._root = root_path
        self._ledger = ledger
        self._publisher = publisher
        self._storage = storage
        self._actors = actors

    def actor(self, request: Request) -> Actor | None:
        """Return who asks, if they may decide. Raises LedgerUnavailable."""
        has_password = request.scope.get("state", {}).get("console", False)
        return self._actors.of(request.cookies.get(COOKIE, ""), has_password=has_password)

    def context(self, request: Request) -> dict[str, Any]:
        """Return every page's needs: the actor, and a token."""
        actor = self.actor(request)
        return {"actor": actor, "token": self._actors.token_of(actor) if actor else ""}

    def _guarded(self, handler: Callable[[Request, Actor, Form], str]) -> Callable[[Request], Awaitable[Response]]:
        """Make a route of a handler, which returns the next page's address."""

        def decided(request: Request, form: Form) -> Response:
            actor = self.actor(request)
            if actor is None:
                raise HTTPException(HTTPStatus.FORBIDDEN, READ_ONLY)
            if not self._actors.is_token(actor, form.get("token", "")):
                raise HTTPException(HTTPStatus.FORBIDDEN, FOREIGN)
            return _see(self._root + handler(request, actor, form))

        async def route(request: Request) -> Response:
            return await run_in_threadpool(decided, request, await _form_of(request))

        return route

    def routes(self) -> list[Route]:
        """The addresses of all forms."""
        decisions = {
            "/jobs/{job_id}/resolve": self.resolve,
            "/jobs/{job_id}/replay": self.replay,
            "/jobs/{job_id}/cancel": self.cancel,
            "/slots": self.slots,
            "/accounts/{name}": self.drain,
        }
        return [
            *(Route(path, self._guarded(handler), methods=["POST"]) for path, handler in decisions.items()),
            Route("/console", self.sign_in, methods=["POST"]),
            Route("/console/leave", self.sign_out, methods=["POST"]),
        ]

    def resolve(self, request: Request, actor: Actor, form: Form) -> str:
        """Say under which id the vendor has a HELD job."""
        job = self._job(request, actor)
        self._recovery(actor).resolve(job.job_id, form.get("vendor_job_id", "").strip())
        return _page_of(job, "resolved")

    def replay(self, request: Request, actor: Actor, form: Form) -> str:
        """Run a job again from a step, if still in the state shown."""
        job = self._job(request, actor)
        if form.get("step") not in {*Step} or form.get("seen") not in {*State}:
            raise HTTPException(HTTPStatus.BAD_REQUEST, "There is no such step or state.")
        accepts = form.get("accept_charge") == "yes"
        step = Step(form["step"])
        self._recovery(actor).replay(job.job_id, step, accept_charge=accepts, seen=State(form["seen"]))
        return _page_of(job, f"replayed-{step}")

    def cancel(self, request: Request, actor: Actor, form: Form) -> str:
        """Cancel a job."""
        job = self._job(request, actor)
        if form.get("sure") != "yes":
            raise HTTPException(HTTPStatus.BAD_REQUEST, "Tick the box that says that you are sure.")
        found = self._recovery(actor).cancel(job.job_id, keep_result=form.get("keep_result") == "yes")
        return _page_of(job, "canceled" if found.done else "canceling")

    def slots(self, _: Request, actor: Actor, form: Form) -> str:
        """Set the number of slots, or restore the workers' setting."""
        _check_all_tenants(actor)
        account, text = form.get("account") or DEFAULT_ACCOUNT, form.get("number", "").strip()
        if form.get("reset") == "yes":
            self._ledger.limits.set_slots(None, account=account)
        elif text.isascii() and text.isdecimal() and int(text[:9]) <= MOST_SLOTS:
            self._ledger.limits.set_slots(int(text), by=actor.name, account=account)
        else:
            raise HTTPException(HTTPStatus.BAD_REQUEST, f"The number of slots is a whole number up to {MOST_SLOTS:,}.")
        return "/"

    def drain(self, request: Request, actor: Actor, form: Form) -> str:
        """Give an account no new jobs, or jobs again."""
        _check_all_tenants(actor)
        self._ledger.pool.set_drained(request.path_params["name"], drained=form.get("drained") == "yes")
        return "/"

    async def sign_out(self, request: Request) -> Response:
        """Remove the cookie."""
        await _form_of(request)
        response = _see(f"{self._root}/")
        response.delete_cookie(COOKIE, httponly=True, samesite="strict")
        return response

    async def sign_in(self, request: Request) -> Response:
        """Give a cookie for the console's password or an admin key."""
        form = await _form_of(request)
        address = request.client.host if request.client else ""
        found = await run_in_threadpool(self._actors.sign_in, form.get("password", "").strip(), address)
        if found.wait:
            sentence = f"Too many wrong passwords came from your address. Try again in {found.wait} s."
            raise HTTPException(HTTPStatus.TOO_MANY_REQUESTS, sentence, {"Retry-After": str(found.wait)})
        if found.actor is None:
            raise HTTPException(
                HTTPStatus.FORBIDDEN, "That is neither the console's password nor an API key with the scope admin."
            )
        response = _see(f"{self._root}/")
        secure = request.url.scheme == "https"
        value = self._actors.cookie_of(found.actor)
        response.set_cookie(COOKIE, value, max_age=LIFETIME_S, httponly=True, samesite="strict", secure=secure)
        return response

    def _job(self, request: Request, actor: Actor) -> Job:
        job = self._ledger.jobs.get(request.path_params["job_id"])
        if not actor.may_decide(job):
            sentence = f"{actor.name} is a key of {actor.tenant} and decides about the jobs of {actor.tenant} alone."
            raise HTTPException(HTTPStatus.FORBIDDEN, sentence)
        return job

    def _recovery(self, actor: Actor) -> Recovery:
        return Recovery(self._ledger, self._publisher, self._storage, by=actor.name)


def _check_all_tenants(actor: Actor) -> None:
    if actor.tenant is not None:
        sentence = f"{actor.name} is a key of {actor.tenant}; slots and accounts are everybody's"
        raise HTTPException(HTTPStatus.FORBIDDEN, f"{sentence}: sign in with the console's password.")


async def _form_of(request: Request) -> Form:
    """Read a form of this board. Raises HTTPException."""
    origin = urlsplit(request.headers.get("origin", ""))
    if not origin.netloc or origin.netloc.lower() != request.headers.get("host", "").lower():
        raise HTTPException(HTTPStatus.FORBIDDEN, FOREIGN)
    data = b""
    async for chunk in request.stream():
        data += chunk
        if len(data) > LONGEST_FORM:
            raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "No form of the board is so long.")
    try:
        return dict(parse_qsl(data.decode(), keep_blank_values=True, max_num_fields=20))
    except ValueError:
        raise HTTPException(HTTPStatus.BAD_REQUEST, "That is no form.") from None


def _page_of(job: Job, done: str) -> str:
    return f"/jobs/{quote(job.job_id, safe='')}?done={done}"


def _see(address: str) -> RedirectResponse:
    return RedirectResponse(address, HTTPStatus.SEE_OTHER)
