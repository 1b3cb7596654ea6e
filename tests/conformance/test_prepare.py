"""Pictures are prepared in a child process: what it does, what it cannot be made to do, and what is written of it."""

from __future__ import annotations

import base64
import os
import signal
import struct
import threading
import zlib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from support.pictures.photographs import corner, exif, extra, picture, saved
from swapline_producer import SwapRequest
from swapline_producer.client.inputs.images import Picture, read_image
from swapline_producer.contract import Done, Prepare, StoredImage, StripMetadata
from swapline_producer.errors import ImageError
from swapline_producer.pictures import prepare, sandbox
from swapline_producer.pictures.prepare import Preparation
from swapline_producer.pictures.sandbox import Refused, Sandbox
from swapline_producer.settings import ProducerSettings
from swapline_producer.testing import FakeProducer

ASKED = Preparation(asked=True)
SIDEWAYS = saved("JPEG", exif=exif(orientation=6, gps=True))


def read(data: Any, preparation: Preparation = ASKED) -> Picture:
    found = read_image(data, preparation)
    assert isinstance(found, Picture)
    return found


@pytest.mark.parametrize("kind", ["HEIF", "AVIF", "TIFF", "MPO"])
def test_what_telephones_and_cameras_write_becomes_a_jpeg(kind: str, tmp_path: Path) -> None:
    more: dict[str, Any] = {"save_all": True, "append_images": [picture()]} if kind == "MPO" else {}
    data = saved(kind, picture("RGB", (192, 128)), **more)
    path = tmp_path / "photograph"
    path.write_bytes(data)
    for form in (data, path, base64.b64encode(data).decode(), f"data:image/x;base64,{base64.b64encode(data).decode()}"):
        found = read(form)
        assert (found.media_type, found.width, found.height) == ("image/jpeg", 192, 128)
        assert found.made_of is not None
        assert (found.made_of.size, found.made_of.width, found.made_of.height) == (len(data), 192, 128)


def test_a_picture_that_needs_nothing_keeps_its_bytes_and_starts_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "sandbox", None)
    data = saved("JPEG", exif=exif())
    found = read(data)
    assert (found.data, found.made_of) == (data, None)


def test_what_was_done_is_in_the_jobs_record() -> None:
    producer = FakeProducer()
    job = producer.get(producer.enqueue(request(SIDEWAYS)).job_id)
    image = job.spec.image
    assert isinstance(image, StoredImage)
    assert (image.width, image.height, image.media_type) == (64, 96, "image/jpeg")
    assert image.prepared is not None
    assert (image.prepared.width, image.prepared.height) == (96, 64)
    assert (image.prepared.media_type, image.prepared.size) == ("image/jpeg", len(SIDEWAYS))
    assert image.prepared.done == (Done.UPRIGHT,)
    stored = producer.storage.get(image.key)
    assert corner(stored) == "top right"
    assert b"Camera" not in stored


def test_a_heic_that_its_decoder_rotates_is_recorded_as_rotated() -> None:
    found = read(saved("HEIF", exif=exif(orientation=6).tobytes()))
    assert found.made_of
    assert (corner(found.data), found.made_of.done) == ("top right", (Done.CONVERTED, Done.UPRIGHT))


def test_sixteen_bits_that_a_decoder_drops_silently_are_recorded() -> None:
    header = struct.pack(">IIBBBBB", 4, 2, 16, 2, 0, 0, 0)  # RGB of 16 bits: Pillow opens it as 8
    found = read(png_of(header, zlib.compress((b"\0" + bytes(24)) * 2)))
    assert found.made_of
    assert found.made_of.done == (Done.CONVERTED, Done.DEPTH)


def png_of(header: bytes, pixels: bytes) -> bytes:
    """A PNG of these chunks."""
    chunks = ((b"IHDR", header), (b"IDAT", pixels), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )


def test_a_tiff_with_offsets_of_eight_bytes_is_a_tiff() -> None:
    assert corner(read(saved("TIFF", big_tiff=True)).data) == "top left"


def test_a_refusal_has_no_address_in_memory() -> None:
    with pytest.raises(ImageError, match="what follows its first bytes is not of that format") as refused:
        read(saved("HEIF")[:150])
    assert "0x" not in str(refused.value)


def request(data: bytes, **more: Any) -> SwapRequest:
    return SwapRequest(image=data, gender="female", filter_id=1, **more)


def test_a_request_may_ask_otherwise_than_the_settings() -> None:
    producer = FakeProducer(ProducerSettings(prepare=Prepare.OFF))
    off, auto = (
        producer.get(producer.enqueue(request(SIDEWAYS, prepare=mode)).job_id).spec.image for mode in (None, "auto")
    )
    assert isinstance(off, StoredImage)
    assert isinstance(auto, StoredImage)
    assert off.prepared is None
    assert auto.prepared is not None


def test_strict_refuses_what_would_have_to_be_changed() -> None:
    with pytest.raises(ImageError, match=r"would have to be changed \(turned upright, place removed\)"):
        read(SIDEWAYS, Preparation(Prepare.STRICT))
    assert read(saved("JPEG"), Preparation(Prepare.STRICT)).made_of is None


def test_the_same_picture_under_the_same_key_is_the_same_job_whatever_a_library_makes_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    producer = FakeProducer()
    first = producer.enqueue(request(SIDEWAYS, idempotency_key="k"))
    ask = sandbox.sandbox.ask
    monkeypatch.setattr(sandbox.sandbox, "ask", lambda *given: (ask(*given)[0], saved("JPEG", picture("L"))))
    assert producer.enqueue(request(SIDEWAYS, idempotency_key="k")).job_id == first.job_id


def test_a_picture_larger_than_the_vendor_takes_is_made_to_fit() -> None:
    noise = Image.effect_noise((3000, 2400), 120).convert("RGB")
    data = saved("JPEG", noise, quality=100, subsampling=0)
    assert len(data) > prepare.MAX_BYTES
    found = read(data)
    assert len(found.data) <= prepare.MAX_BYTES
    assert found.made_of is not None
    with pytest.raises(ImageError, match="too large"):
        read(data, Preparation(Prepare.OFF))


def test_without_the_extra_a_sentence_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepare, "find_spec", lambda _name: None)
    with pytest.raises(ImageError, match=r"converted to JPEG first: install swapline-producer\[pictures\]"):
        read(b"\0\0\0\x14ftypheic" + bytes(64), Preparation())
    with pytest.raises(ImageError, match=r"turned upright first: install swapline-producer\[pictures\]"):
        read(SIDEWAYS)
    found = read(SIDEWAYS, Preparation())  # not requested: it goes as it did, but for its place
    assert found.made_of is not None
    assert found.made_of.done == (Done.PLACE_REMOVED,)


def test_metadata_may_be_left_in() -> None:
    data = saved("JPEG", exif=exif(gps=True))
    assert read(data, Preparation(strip=StripMetadata.OFF)).data == data


HOSTILE = {
    "half a HEIC": lambda: saved("HEIF", Image.effect_noise((300, 200), 90))[:9000],
    "half a TIFF": lambda: saved("TIFF")[:200],
    "a TIFF of nothing": lambda: b"II*\0" + bytes(100),
    "a HEIC of nothing": lambda: b"\0\0\0\x14ftypheic" + bytes(200),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_cannot_be_decoded_is_refused_with_a_sentence(name: str) -> None:
    with pytest.raises(
        ImageError, match=r"^The picture (cannot be decoded|has|is|takes) ?.*; save it again as JPEG\.$"
    ):
        read(HOSTILE[name]())


def test_a_picture_of_too_many_pixels_is_refused_by_its_header() -> None:
    data = saved("TIFF", Image.new("1", (20_000, 20_000)), compression="group4")
    assert len(data) < 200_000
    with pytest.raises(ImageError, match="has 20000x20000 pixels, more than 100 megapixels"):
        read(data)


def test_a_child_that_dies_takes_nothing_with_it_and_the_next_picture_has_another() -> None:
    box = Sandbox(at_once=1)
    facts = {"kind": "image/tiff", "max_side": 4096, "max_bytes": 10**7}
    assert box.ask("jpeg", facts, saved("TIFF"))[0]["done"] == [Done.CONVERTED]
    [child] = box._idle
    os.kill(child._process.pid, signal.SIGSEGV)
    child._process.wait()
    with pytest.raises(Refused, match="stopped by signal 11"):
        box.ask("jpeg", facts, saved("TIFF"))
    assert box.ask("jpeg", facts, saved("TIFF"))[0]["size"] == [96, 64]
    assert box._idle[0] is not child


def test_a_child_that_does_not_answer_is_given_up() -> None:
    box = Sandbox(at_once=1)
    box.ask("jpeg", {"kind": "image/tiff", "max_side": 4096, "max_bytes": 10**7}, saved("TIFF"))
    box._seconds = 0.5
    os.kill(box._idle[0]._process.pid, signal.SIGSTOP)
    with pytest.raises(Refused, match="takes longer than 0 s to decode"):
        box.ask("jpeg", {}, b"")
    assert box._idle == []


def test_a_child_that_ended_for_want_of_work_is_replaced() -> None:
    box = Sandbox(at_once=1)
    facts = {"kind": "image/tiff", "max_side": 4096, "max_bytes": 10**7}
    box.ask("jpeg", facts, saved("TIFF"))
    child = box._idle[0]
    child._sock.shutdown(1)  # as a timeout does, it ends the child with exit code 0
    child._process.wait()
    assert box.ask("jpeg", facts, saved("TIFF"))[0]["size"] == [96, 64]


def test_a_child_has_limits_and_none_of_the_producers_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWAPLINE_API_KEY", "secret")
    box = Sandbox(at_once=1)
    box.ask("jpeg", {"kind": "image/tiff", "max_side": 4096, "max_bytes": 10**7}, saved("TIFF"))
    proc = Path(f"/proc/{box._idle[0]._process.pid}")
    if not proc.exists():
        pytest.skip("there is no /proc on this system")
    assert "secret" not in (proc / "environ").read_text()
    lines = (proc / "limits").read_text().splitlines()
    limits = {line[:26].strip(): line[26:].split()[0] for line in lines}
    assert limits["Max address space"] == str(3 * 1024**3)
    assert (limits["Max file size"], limits["Max core file size"]) == ("0", "0")
    assert int(limits["Max cpu time"]) <= 60


def test_several_threads_share_a_few_children() -> None:
    box = Sandbox(at_once=2)
    facts = {"kind": "image/tiff", "max_side": 4096, "max_bytes": 10**7}
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(box.ask("jpeg", facts, saved("TIFF")))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 6
    assert len(box._idle) <= 2


def test_the_extra_reads_heic() -> None:
    extra("pillow_heif")
    assert prepare.has_extra("image/heic")
