"""Every command shows texts of a vendor, a receiver, a customer and a bucket, and the terminal obeys none of them."""

from __future__ import annotations

import json
import re
import sys
import unicodedata
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from support.programs.commands import COMMANDS
from swapline_producer import Producer
from swapline_producer.cli import main
from swapline_producer.contract import Canceling, FailureCode, Job, Notification, State
from swapline_producer.contract.answers import Advanced
from swapline_producer.contract.changes import BreakerTrip, Change
from swapline_producer.terminal import output
from swapline_producer.webhooks.endpoints import endpoint_of
from swapline_simulator import sample_photographs

if TYPE_CHECKING:
    from pathlib import Path

    from swapline_workers.local.valkey.server import EmbeddedValkey

HOSTILE = (
    "begin\x1b[2J\x1b]0;own\x07[/x][red]:x:\r\nFORGED: all is well\x9b31m\x08\u202egpj.\u2066"
    "\u2028FORGED\u2029FORGED\x85FORGED\x7f\t\x0b\x0c\x00end"
)
ARGUMENT = HOSTILE.replace("\0", "") + "\udcff"  # a byte that is no UTF-8, as Python passes it on
BATCH = "spring[/x]:x:\u202egpj\u2066"
"""A name that a batch may have."""
URL = "https://pictures.example/me.jpg"

SHOW_NOTHING_OF_OTHERS = {
    "board": "a server; its pages are in test_foreign_text.py",
    "completion": "it prints a script for a shell",
    "demo": "its jobs are its own",
    "flower": "a server",
    "gateway": "a server; its answers are JSON",
    "metrics": "a server; --once prints for Prometheus",
    "redis": "a server",
    "simulator": "a server",
    "up": "it relays logs; they are in test_foreign_text.py",
    "webhooks new-secret": "it prints a secret",
    "worker": "a server; its log is in test_foreign_text.py",
}
CALLS: dict[str, list[list[str]]] = {
    "accounts": [[]],
    "accounts adopt": [[], ["{argument}"]],
    "accounts drain": [["{argument}"]],
    "accounts resume": [["{argument}"]],
    "after-restore": [["--dry-run"]],
    "alive": [["{argument}"], ["{heartbeat}"]],
    "batch cancel": [["{argument}"], ["{batch}"]],
    "batch run": [
        ["{manifest}", "--dry-run"],
        ["{good}", "--name", "{batch}", "--dry-run"],
        ["{good}", "--name", "{batch}2"],
        ["{good}", "--name", "{argument}"],
        ["{good}", "--set", "{argument}"],
        ["{argument}"],
    ],
    "batch show": [["{batch}"], ["{argument}"]],
    "credits": [[]],
    "credits reset": [["{argument}"]],
    "credits set": [["{argument}", "5"], ["acme", "{argument}"]],
    "doctor": [["--timeout", "0.5"]],
    "enqueue": [
        ["{argument}", "--gender", "0", "--filter-id", "1"],
        [URL, "--gender", "{argument}", "--filter-id", "1"],
        [URL, "--gender", "0", "--filter-id", "{argument}"],
        [URL, "--gender", "0", "--filter-id", "1", "--batch", "{argument}", "--tenant", "{argument}"],
        [URL, "--gender", "0", "--filter-id", "1", "--metadata", "{argument}=1"],
        [URL, "--gender", "0", "--filter-id", "1", "--metadata", "a={argument}", "--batch", "{batch}"],
        ["--{argument}"],
    ],
    "janitor": [["--dry-run", "--older-than", "0"]],
    "jobs cancel": [["{argument}"], ["{running}"], ["--tenant", "{argument}", "--dry-run"]],
    "jobs download": [["{failed}"], ["{argument}"], ["{failed}", "--to", "{argument}"]],
    "jobs events": [["{failed}"], ["{argument}"]],
    "jobs list": [
        [],
        ["--state", "HELD"],
        ["--batch", "{batch}"],
        ["--batch", "{argument}"],
        ["--after", "{argument}"],
    ],
    "jobs purge": [["--job", "{argument}", "--dry-run"], ["--tenant", "{argument}", "--dry-run"]],
    "jobs replay": [
        ["{argument}", "--from", "poll"],
        ["{failed}", "--from", "finalize"],
        ["{held}", "--from", "notify"],
    ],
    "jobs resolve": [["{argument}", "--vendor-job-id", "a"], ["{failed}", "--vendor-job-id", "{argument}"]],
    "jobs show": [["{failed}"], ["{held}"], ["{running}"], ["{succeeded}"], ["{argument}"]],
    "jobs wait": [["{failed}", "--timeout", "0.1"], ["{running}", "--timeout", "0.1"], ["{argument}"]],
    "keys create": [["--tenant", "{argument}"], ["--note", "{argument}"]],
    "keys list": [[]],
    "keys revoke": [["{argument}"]],
    "limits": [[]],
    "limits forget": [["{argument}"], ["poll_rate"]],
    "limits set": [["poll_rate", "{argument}"], ["{argument}", "5"]],
    "slots": [[]],
    "slots probe": [[]],
    "slots reset": [[], ["--account", "{argument}"]],
    "slots set": [["{argument}"], ["1", "--account", "{argument}"]],
    "tenants": [[]],
    "tenants reset": [["{argument}"]],
    "tenants set": [["{argument}", "--accounts", "a"], ["acme", "--accounts", "{argument}"]],
    "webhooks enable": [["{argument}"], ["--all"]],
    "webhooks endpoints": [[]],
    "webhooks list": [[], ["--tenant", "{argument}"]],
    "webhooks replay": [["{argument}"], ["batch:{argument}"], ["{failed}"], ["--all-failed", "--dry-run"]],
}
"""Each is run in a wide terminal, in a narrow one, and for programs."""

PRINTS_NO_TEXT = {
    "tenants reset",
    "accounts adopt",
    "credits reset",
    "credits set",
    "limits forget",
    "limits set",
    "slots reset",
    "slots set",
}


@pytest.fixture
def values(valkey: EmbeddedValkey, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """An installation full of such texts, as the environment of every command; and what fills its calls."""
    monkeypatch.setenv("SWAPLINE_REDIS_URL", valkey.url)
    monkeypatch.setenv("SWAPLINE_KEY_PREFIX", prefix)
    monkeypatch.setenv("SWAPLINE_STORAGE_URL", (tmp_path / "store").as_uri())
    producer = Producer.from_env()
    jobs = {state.value.lower(): job.job_id for state, job in ended(producer).items()}
    for name in (b"in\x1b[2Jputs".hex(), HOSTILE.replace("\0", "").replace("/", "")[:60]):
        (tmp_path / "store" / "inputs" / name).write_bytes(b"x")
    (tmp_path / "heartbeat").write_text(json.dumps({"pid": HOSTILE}))
    good = {"image": URL, "gender": 0, "filter_id": 1, "note": HOSTILE}
    (tmp_path / "good.jsonl").write_text(json.dumps(good))
    bad = [{**good, name: HOSTILE} for name in ("image", "gender", "filter_id", "tenant", "webhook_url", "extra")]
    (tmp_path / "rows.jsonl").write_text("\n".join([*map(json.dumps, bad), HOSTILE.replace("\n", "")]))
    texts = {"argument": ARGUMENT, "batch": BATCH, "manifest": tmp_path / "rows.jsonl", "good": tmp_path / "good.jsonl"}
    return jobs | {name: str(text) for name, text in texts.items()} | {"heartbeat": str(tmp_path / "heartbeat")}


def ended(producer: Producer) -> dict[State, Job]:
    """Give a job in each state; the vendor and its receiver have sent the worst of each."""
    ledger = producer.ledger
    found: dict[State, Job] = {}
    for state in (State.FAILED, State.HELD, State.RUNNING, State.SUCCEEDED):
        options = {
            "metadata": {"note": HOSTILE},
            "batch": BATCH,
            "webhook_url": "https://shop.example/h",
            "tenant": "acme",
        }
        request = {"image": sample_photographs()[0], "gender": 0, "filter_id": 1, **options}
        [result] = producer.enqueue_many([request])
        job = producer.get(str(result.job_id))
        for to in (State.SUBMITTING, state):
            texts = {"vendor_job_id": f"{state}{HOSTILE}", "vendor_status": HOSTILE, "failure_detail": HOSTILE}
            more = {"failure_code": FailureCode.VENDOR_FAILED} if state is State.FAILED and to is state else {}
            change = Change(to=to, fields=texts | more, note=HOSTILE, data={"reason": HOSTILE, HOSTILE[:9]: [HOSTILE]})
            advanced = ledger.transitions.advance(job, change)
            assert isinstance(advanced, Advanced)
            job = advanced.job
        dead = {"notification": Notification.DEAD, "notify_attempts": 3}
        note = Change(to=state, fields=dead, note="webhook failed", data={"error": HOSTILE, "status": 500})
        if state is State.FAILED:
            moved = ledger.transitions.advance(job, note)
            assert isinstance(moved, Advanced)
            job = moved.job
        found[state] = job
    ledger.transitions.request_cancel(found[State.RUNNING], Canceling.KEEP)
    job = producer.get(producer.enqueue_many([{"image": URL, "gender": 0, "filter_id": 1}]).__next__().job_id or "")
    ledger.transitions.advance(
        job, Change(to=State.QUEUED, trip=BreakerTrip(reason=HOSTILE, wait=3600, longest=3600), in_line=True)
    )
    endpoint = endpoint_of("acme", "https://shop.example/h").model_copy(update={"error": HOSTILE, "address": HOSTILE})
    ledger.webhooks.endpoint_failed(endpoint, gone=True, patience=0)
    return found


def run(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["swapline", *arguments])
    code = 0
    with suppress(SystemExit):
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def is_safe(character: str) -> bool:
    return character == "\n" or unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Zl", "Zp"}


def test_every_command_is_called_or_has_its_reason() -> None:
    assert sorted([*CALLS, *SHOW_NOTHING_OF_OTHERS]) == sorted(COMMANDS)


@pytest.mark.parametrize("width", [240, 60])
@pytest.mark.parametrize("command", CALLS)
def test_a_command_shows_foreign_text_and_obeys_none_of_it(
    values: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
    width: int,
) -> None:
    monkeypatch.setattr(output.out.console, "width", width)
    seen = ""
    for call in CALLS[command]:
        filled = [*command.split(), *(part.format(**values) for part in call)]
        code, out, err = run(filled, monkeypatch, capsys)
        assert code in {0, 1, 2, 3}
        assert "Traceback" not in err
        wrong = {character for character in out + err if not is_safe(character)}
        assert not wrong, (filled, out + err)
        assert not re.search(r"^FORGED", out + err, re.MULTILINE), (filled, out + err)
        seen += out + err
    assert command in PRINTS_NO_TEXT or seen


JSON = [name for name in CALLS if any("--json" in option.opts for option in COMMANDS[name].params)]


@pytest.mark.parametrize("command", JSON)
def test_json_is_ascii_and_whole(
    values: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    for call in CALLS[command]:
        filled = [*command.split(), *(part.format(**values) for part in call), "--json"]
        _, out, _ = run(filled, monkeypatch, capsys)
        assert out.isascii()
        assert all(is_safe(character) for character in out)
        if out:
            json.loads(out)


@pytest.mark.parametrize(
    "call",
    [
        ["jobs", "show", "{failed}"],
        ["jobs", "events", "{failed}"],
        ["webhooks", "list"],
        ["slots"],
    ],
)
def test_what_was_sent_can_be_read(
    values: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], call: list[str]
) -> None:
    _, out, _ = run([part.format(**values) for part in call], monkeypatch, capsys)
    seen = out.replace("\n", "").replace("␇", "").replace("␍", "")  # rich leaves these two out of a Text
    assert "begin␛[2J␛]0;own[/x][red]:x:␊FORGED: all is well�31m" in seen
