"""Judges a world that has come to rest: vendor, store, receivers and Redis side by side."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from simulation.accounts import CREDITS
from simulation.ambiguity import check_policy, times_payable, unclear_calls
from simulation.money import check_accounts, check_money
from simulation.truth import COMPLETED, FAILED, REFUSED, number_of, picture_of
from simulation.uploads import digest_of
from swapline_producer.contract import FailureCode, Notification, State
from swapline_producer.storage.keys import INPUTS, OWNER, PROBE
from swapline_workers.settings import AmbiguousSubmit

if TYPE_CHECKING:
    from simulation.world import World

ENDS = {COMPLETED: {State.SUCCEEDED}, FAILED: {State.FAILED}, REFUSED: {State.FAILED}}


@dataclass
class Verdict:
    """What was found, and what there was."""

    seed: int
    wrong: list[str] = field(default_factory=list)
    jobs: int = 0
    points: int = 0
    faults: int = 0
    charged: int = 0
    held: int = 0
    webhooks: int = 0
    simulated: float = 0.0
    longest_idle: float = 0.0
    accounts: int = 1
    ends: dict[str, int] = field(default_factory=dict)


def final_check(world: World) -> Verdict:
    """Judge."""
    jobs, logs = _read(world)
    verdict = Verdict(seed=world.scenario.seed, wrong=world.wrong)
    if not world.wrong:  # what follows a broken promise would only hide it
        for job_id, hooked in world.accepted.items():
            if not jobs[job_id]:
                world.wrong.append(f"{job_id} is lost: it was accepted, and is not in Redis")
            elif jobs[job_id].get("state"):
                _check_job(world, job_id, jobs[job_id], logs[job_id], hooked=hooked)
                check_policy(world, job_id, logs[job_id])
        _check_orders(world, jobs)
        check_money(world, jobs, logs)
        _check_store(world, jobs)
        check_accounts(world, jobs)
        world.batches.check()
        world.wrong += [f"the input {sha256} stays for ever" for sha256 in world.uploads.staying(jobs)]
    verdict.jobs, verdict.accounts = len(world.accepted), len(world.accounts)
    verdict.points, verdict.faults = world.faults.points, len(world.faults.drawn)
    verdict.charged = sum(world.vendor.charged.values())
    verdict.held = sum(job.get("state") == State.HELD for job in jobs.values())
    verdict.webhooks = sum(len(events) for events in world.receiver.events.values())
    verdict.simulated = world.scheduler.now
    verdict.longest_idle = world.observer.longest_idle
    for job in jobs.values():
        state = job.get("state", "not accepted")
        verdict.ends[state] = verdict.ends.get(state, 0) + 1
    return verdict


def _read(world: World) -> tuple[dict[str, dict[str, str]], dict[str, list[str]]]:
    names = list(world.vendor.fate)
    with world.server.pipeline(transaction=False) as pipe:
        for job_id in names:
            pipe.hgetall(f"{world.prefix}:job:{job_id}")
            pipe.lrange(f"{world.prefix}:log:{job_id}", 0, -1)
        found = pipe.execute()
    return dict(zip(names, found[::2], strict=True)), dict(zip(names, found[1::2], strict=True))


def _check_job(  # noqa: C901 -- one line for each promise
    world: World, job_id: str, job: dict[str, str], log: list[str], *, hooked: bool
) -> None:
    state, wrong, charged = State(job["state"]), world.wrong, world.vendor.charged[job_id]
    if not state.finished and state is not State.HELD:
        wrong.append(f"{job_id} is lost: it rests in {state}")
    if charged > times_payable(world, job_id, log):
        wrong.append(f"{job_id} was paid {charged} times")
    if state is State.HELD and job_id not in world.excused:
        wrong.append(f"{job_id} is HELD, and no fault fell on its paid call: {job.get('failure_detail')}")
    canceled = job_id in world.canceled
    if canceled and state not in {State.CANCELED, State.HELD}:
        wrong.append(f"{job_id} ended {state} though it was canceled")
    if state is not State.HELD:
        expected = state in ENDS[world.vendor.fate[job_id]] or (state is State.CANCELED and job_id in world.cancels)
        code = job.get("failure_code")
        expected |= code == FailureCode.SUBMIT_UNKNOWN and world.on_ambiguous_submit is AmbiguousSubmit.FAIL
        lost_its_input = code == FailureCode.STORAGE_FAILED and charged == 0
        if not expected and not (lost_its_input and world.uploads.may_be_lost(job_id)):
            detail = f"{code} {job.get('failure_detail')}"
            wrong.append(f"{job_id} ended {state} ({detail}) though the vendor's part was {world.vendor.fate[job_id]}")
        if int(job.get("credits", 0)) != CREDITS * charged and not (unclear_calls(log) or job_id in world.excused):
            wrong.append(f"{job_id} says {job.get('credits')} credits, and {CREDITS * charged} were charged")
    for mark in ("attempt_open", "slot"):
        if job.get(mark) == "1":
            wrong.append(f"{job_id} rests in {state} with {mark}")
    if hooked:
        _check_webhook(world, job_id, job)
    if state is State.SUCCEEDED:
        _check_pictures(world, job_id, job)


def _check_webhook(world: World, job_id: str, job: dict[str, str]) -> None:
    events, wrong = world.receiver.events[job_id], world.wrong
    if job.get("notification") != Notification.DELIVERED:
        wrong.append(f"{job_id}'s webhook is lost: it rests {job.get('notification')}")
    if not any(event.data.state == job["state"] for _, event in events):
        wrong.append(f"{job_id}'s webhook is lost: none came that says {job['state']}")
    ids: dict[str, set[str]] = {}
    for webhook_id, event in events:
        ids.setdefault(event.type, set()).add(webhook_id)
    for kind, known in ids.items():
        forgotten = job_id in world.restarts.forgotten  # delivered in the writes that were lost, and after a decision
        if len(known) > 1 + world.operator.sent_again[job_id] + forgotten:
            wrong.append(f"{job_id}'s event {kind} came under {len(known)} ids")


def _check_pictures(world: World, job_id: str, job: dict[str, str]) -> None:
    images = json.loads(job["images"])
    if len(images) != 1:
        world.wrong.append(f"{job_id} SUCCEEDED with {len(images)} pictures instead of 1")
        return
    key = images[0]["key"]
    objects = {found.key for found in world.objects.list()}
    if key not in objects or world.objects.get(key) != picture_of(number_of(job_id)):
        world.wrong.append(f"{job_id}'s picture {key} is missing or another's")
    receipt = f"{key.rpartition('/')[0]}/receipt.json"
    if receipt not in objects:
        world.wrong.append(f"{job_id} SUCCEEDED without a receipt")
    elif json.loads(world.objects.get(receipt))["images"][0]["sha256"] != images[0]["sha256"]:
        world.wrong.append(f"{job_id}'s receipt names another picture")


def _check_orders(world: World, jobs: dict[str, dict[str, str]]) -> None:
    """A customer's request is one job, however often it was sent to the gateway."""
    orders: dict[str, list[str]] = {}
    for job_id, job in jobs.items():
        if "idempotency_key" in job:
            orders.setdefault(job["idempotency_key"], []).append(job_id)
    for order, same in orders.items():
        if len(same) > 1:
            world.wrong.append(f"{order} became {len(same)} jobs: {same}")


def _check_store(world: World, jobs: dict[str, dict[str, str]]) -> None:
    """No picture under another job's name, no receipt without its picture, and the inputs of HELD jobs."""
    objects = {found.key for found in world.objects.list()} - {PROBE, OWNER}
    for job_id, job in jobs.items():
        photograph = world.order_of[job_id].photograph
        if job.get("state") != State.HELD or photograph is None or world.uploads.may_be_lost(job_id):
            continue
        if f"{INPUTS}/{digest_of(photograph)}" not in objects:
            world.wrong.append(f"{job_id} is HELD, and its input is gone")
    for key in objects:
        if key.startswith(f"{INPUTS}/"):
            continue
        job_id, name = key.split("/")[-2:]
        if job_id not in jobs:
            world.wrong.append(f"{key} is of no job")
        elif name != "receipt.json" and world.objects.get(key) != picture_of(number_of(job_id)):
            world.wrong.append(f"{key} is another's picture")
