"""Deliberate faults of the ledger's moves, and of what counts on their answers."""

from __future__ import annotations

from typing import Any

from simulation.mutant import Mutant, changed
from swapline_producer.client.inputs import acceptance


def _numbered_late(real: Any) -> Any:
    def store(self: Any, picture: Any, job_id: str) -> Any:
        return None if real(self, picture, job_id) is None else self._last_deletion

    return store


NUMBERED = "  redis.call('HSET', key('deletions'), 'last', text(ended), part_of(sha), text(ended))\n"
SLOT_FREED = "  redis.call('ZREM', own('slots'), input.id)\nelseif"
ATTEMPT = "have[2] == '1' and have[3] == 'SUBMITTING'"

LEDGER_MUTANTS = (
    Mutant(
        "a move does not check the version",
        "advance",
        ("state ~= input.state or version ~= input.version", "state ~= input.state"),
    ),
    Mutant(
        "a move checks neither state nor version",
        "advance",
        ("if moved or input.after and have[3] ~= input.after then", "if false then"),
    ),
    Mutant("a message of an old version is worked on", "open", ("if have[1] ~= input.version then", "if false then")),
    Mutant(
        "a move that was written is stale when repeated", "advance", ("if have[3] == input.token then", "if false then")
    ),
    Mutant(
        "a mark to cancel is overlooked by a move",
        "advance",
        ("if (have[9] or '') ~= (input.canceling or '') then", "if false then"),
    ),
    Mutant("a slot is not freed", "advance", (SLOT_FREED, "elseif")),
    Mutant("a slot is freed, and the job still has its mark", "advance", ("  set('slot', '0')\n", "")),
    Mutant(
        "a held job's slot is never freed",
        "claim",
        ("if state == 'HELD' and have[5] == '1' and at >= tonumber(have[6] or 0) then", "if false then"),
    ),
    Mutant("one slot more than the cap is given", "", ("(one.usable - one.used)", "(one.usable + 1 - one.used)")),
    Mutant(
        "a slot is given without an entry in due",
        "",
        ("  set_due(id, rescue_at())\n  log(id, 'slot',", "  set_due(id, nil)\n  log(id, 'slot',"),
    ),
    Mutant("credits are not counted when a slot is given", "", ("  note_submission(tenant)\n", "")),
    Mutant("an idempotency key is not looked at", "accept", ("if input.claim then", "if false then")),
    Mutant(
        "an input counts as there whatever was deleted",
        "accept",
        ("  if not is_there(input.sha, input.stored_after) then return false end\n", ""),
    ),
    Mutant(
        "an input that is being deleted counts as there",
        "accept",
        ("  if redis.call('ZSCORE', key('deleting'), sha) then return false end\n", ""),
    ),
    Mutant("a deletion is not numbered", "confirm", (NUMBERED, "")),
    Mutant("a reference to an input is not counted", "accept", ("  need_input(input.sha)\n", "")),
    Mutant("a reference to an input is not dropped", "advance", ("else release_input(input.sha) end", "end")),
    Mutant(
        "an input that a job needs is deleted",
        "take",
        ("return redis.call('HEXISTS', key('inputs'), string.sub(name, 8)) == 1 end", "return false end"),
    ),
    Mutant(
        "an input counts as stored after a deletion that came later",
        python=changed(acceptance.Acceptance, "store", _numbered_late),
    ),
    Mutant(
        "refused jobs never stand in line again",
        "",
        ("  if have[1] == 'QUEUED' then join_line(id, have[2], have[3], have[4]) end", ""),
    ),
    Mutant("free slots are given to no job", "", ("if not here then break end", "if true then break end")),
    Mutant("a claim gives out no free slots", "claim", ("local granted = grant()", "local granted = {}")),
    Mutant(
        "a claim takes an entry out of due",
        "claim",
        ("dues[#dues + 1] = text(at + rescue)\n      dues[#dues + 1] = id", "set_due(id, nil)"),
    ),
    Mutant(
        "a claim does not know the state SUBMITTING",
        "claim",
        (
            "local step = state and route(state, have[4])",
            "local step = state and state ~= 'SUBMITTING' and route(state, have[4])",
        ),
    ),
    Mutant("a claim forgets webhooks", "claim", ("if notification == 'PENDING' and", "if false and")),
    Mutant("time that is set back is not noticed", "claim", ("if at < claimed_at - STEP then", "if false then")),
    Mutant("a job's end is not counted in its batch", "advance", ("  count_in_batch(input.batch, input.tally)\n", "")),
    Mutant("a batch is not completed by its last job", "advance", ("  complete_batch(input.batch)\n", "")),
    Mutant(
        "a batch is completed before its last job has ended",
        "",
        (
            "tonumber(have[2] or 0) > tonumber(have[3] or 0) then",
            "tonumber(have[2] or 0) > tonumber(have[3] or 0) + 1 then",
        ),
    ),
    Mutant("a batch is not completed by its seal", "seal", ("completed = complete_batch(input.name)", "")),
    Mutant("an accepted job is not due", "accept", ("  set_due(input.id, rescue_at())\nend", "end")),
    Mutant(
        "an accepted job that comes again begins anew",
        "accept",
        ("if redis.call('EXISTS', job) == 1 then", "if false then"),
    ),
    Mutant("a lined-up job is not in the line", "line_up", ("join_line(input.id, have[3], have[4], have[5])", "")),
    Mutant(
        "a lease is not renewed",
        "renew",
        ("redis.call('ZADD', key('due'), 'XX', 'GT', 'CH', until_then, pair[1])", "0"),
    ),
    Mutant("a worker that stops gives its paid calls away", "release", (ATTEMPT, "false")),
    Mutant(
        "a refund is counted twice",
        "advance",
        ("spend(have[5], -CREDITS_PER_JOB,", "spend(have[5], -2 * CREDITS_PER_JOB,"),
    ),
    Mutant(
        "a poll is the last one",
        "claim",
        ("  set_due(one.id, math.min(due, tonumber(have[5]) or due))", "  set_due(one.id, nil)"),
    ),
    Mutant(
        "a call is made at once by a Redis that has just come back",
        "advance",
        ("if left_to_settle > 0 then", "if false then"),
    ),
    Mutant(
        "a poll that is written late checks neither state nor version",
        "claim",
        ("if have[1] ~= 'RUNNING' or have[2] ~= one.version then", "if false then"),
    ),
    Mutant(
        "a poll that is written late does not check the version",
        "claim",
        ("if have[1] ~= 'RUNNING' or have[2] ~= one.version then", "if have[1] ~= 'RUNNING' then"),
    ),
)
