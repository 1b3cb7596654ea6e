"""Input pictures: five ways to give one, and a clear sentence for each way to get it wrong."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import random
import struct
import zlib
from pathlib import Path
from urllib.parse import quote

import pytest
from PIL import Image

from support.pictures.pngs import SIGNATURE, chunk, ihdr, png
from swapline_producer.client.inputs.images import Link, Picture, read_image
from swapline_producer.contract import FailureCode
from swapline_producer.errors import ImageError
from swapline_producer.pictures.prepare import MAX_BYTES

KINDS = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}


def picture(kind: str = "JPEG", size: tuple[int, int] = (12, 7), **options: object) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, "teal").save(out, kind, **options)
    return out.getvalue()


def header_of(width: int, height: int) -> bytes:
    """Give a PNG that claims a size and holds nothing."""
    return SIGNATURE + ihdr(width, height) + chunk(b"IEND")


def refusal(image: object) -> str:
    with pytest.raises(ImageError) as caught:
        read_image(image)  # type: ignore[arg-type]
    assert caught.value.field == "image"
    assert caught.value.code is FailureCode.INVALID_IMAGE
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert len(sentence) < 400
    return sentence


def read(image: bytes | Path | str) -> Picture:
    found = read_image(image)
    assert isinstance(found, Picture)
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_bytes_are_known_by_their_header(kind: str) -> None:
    data = picture(kind)
    assert read(data) == Picture(data, KINDS[kind], 12, 7, hashlib.sha256(data).hexdigest())


@pytest.mark.parametrize("kind", KINDS)
def test_all_ways_to_give_a_picture_give_the_same(kind: str, tmp_path: Path) -> None:
    data = picture(kind)
    file = tmp_path / "picture"
    file.write_bytes(data)
    text = base64.b64encode(data).decode()
    ways = [
        file,
        text,
        base64.encodebytes(data).decode(),
        text.replace("=", "=\r\n"),
        f"data:{KINDS[kind]};base64,{text}",
        f"DATA:;charset=utf-8;BASE64,{text}",
        f"data:image/x;base64,{quote(text, safe='')}",
        bytearray(data),
        memoryview(data),
    ]
    assert {read(way) for way in ways} == {read(data)}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "options",
    [{"lossless": True}, {"lossless": False}, {"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\0"}],
    ids=["VP8L", "VP8", "VP8X"],
)
def test_every_kind_of_webp_has_its_size(options: dict[str, object]) -> None:
    found = read(picture("WEBP", (300, 200), **options))
    assert (found.width, found.height) == (300, 200)


def test_a_scaling_hint_in_a_webp_is_not_part_of_its_size() -> None:
    data = bytearray(picture("WEBP", (300, 200), lossless=False))
    data[27] |= 0x40
    data[29] |= 0x80
    found = read(bytes(data))
    assert (found.width, found.height) == (300, 200)


def test_a_size_is_the_stored_one_whatever_exif_says_of_rotation() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees to show it
    found = read(picture("JPEG", (30, 20), exif=exif.tobytes()))
    assert (found.width, found.height) == (30, 20)


def test_the_bytes_of_a_picture_stay_out_of_logs() -> None:
    assert "data" not in repr(read(picture()))


def test_a_public_url_is_kept_as_it_was_written() -> None:
    url = "https://Pictures.example.com:8443/a%2Fb.jpg?sig=x%3D&n=1#f"
    assert read_image(url) == Link(url)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ftp://example.com/a.jpg", "http"),
        ("file:///etc/passwd", "http"),
        ("s3://bucket/key", "http"),
        ("https://user:pw@example.com/a.jpg", "user name"),
        ("https://example.com\\@127.0.0.1/", "plain"),
        ("https://exa mple.com/", "plain"),
        ("https://example.com/\n", "plain"),
        ("https:///a.jpg", "well-formed"),
        ("https://example.com:99999/", "well-formed"),
        ("https://[::1", "well-formed"),
        ("http://localhost/a.jpg", "private name"),
        ("http://LOCALHOST./a.jpg", "private name"),
        ("http://redis:6379/", "private name"),
        ("http://metadata.google.internal/", "private name"),
        ("http://printer.local/", "private name"),
        ("http://127.0.0.1/", "loopback"),
        ("http://127.1/", "loopback"),
        ("http://0x7f.1/", "loopback"),
        ("http://2130706433/", "loopback"),
        ("http://0177.0.0.1/", "loopback"),
        ("http://%31%32%37.0.0.1/", "loopback"),
        ("http://①②⑦.0.0.1/", "loopback"),
        ("http://127.0.0.1。/", "loopback"),
        ("http://0.0.0.0/", "this host"),
        ("http://10.1.2.3/", "private"),
        ("http://192.168.1.1/", "private"),
        ("http://169.254.169.254/latest/meta-data/", "metadata"),
        ("http://100.100.100.200/", "carrier"),
        ("http://168.63.129.16/", "cloud"),
        ("http://010.8.8.8/", "spelling"),
        ("http://134744072/", "spelling"),
        ("http://[::1]/", "IPv6"),
        ("http://[::ffff:10.0.0.1]/", "IPv6"),
        ("http://[fd00:ec2::254]/", "IPv6"),
        ("http://[64:ff9b::a9fe:a9fe]/", "metadata"),
    ],
)
def test_a_url_that_is_not_public_is_refused(url: str, reason: str) -> None:
    sentence = refusal(url)
    assert reason in sentence
    assert "Give a public http(s) URL" in sentence


@pytest.mark.parametrize("url", ["http://8.8.8.8/a", "https://[2606:4700::1111]/a", "https://bücher.de/ä.png"])
def test_a_url_with_a_public_address_or_an_international_name_is_taken(url: str) -> None:
    assert read_image(url) == Link(url)


@pytest.mark.parametrize("text", ["no/such/file.jpg", "me.jpg", "/etc/passwd", "pic/face", "../secret.png", "~/me.jpg"])
def test_a_text_that_may_be_a_path_says_how_a_path_is_given(text: str) -> None:
    sentence = refusal(text)
    for word in (repr(text), "URL", "data URI", "base64", "pathlib.Path"):
        assert word in sentence


def test_a_text_never_reaches_the_file_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "face.jpg"
    file.write_bytes(picture())
    monkeypatch.chdir(tmp_path)
    (tmp_path / "QUJD").write_bytes(picture())
    names = [str(file), "face.jpg", "./face.jpg", "QUJD", file.as_uri(), f"data:{file}", str(tmp_path), "missing.jpg"]
    with monkeypatch.context() as forbidden:
        for name in ("stat", "lstat", "open", "access"):
            forbidden.setattr(os, name, lambda *_, **__: pytest.fail("a text was looked up as a file"))
        sentences = {name: refusal(name) for name in names}
    assert (
        sentences["face.jpg"].replace("face", "missing") == sentences["missing.jpg"]
    )  # it reveals nothing of what exists


@pytest.mark.parametrize(
    "text",
    ["", " \n", "nul\0byte", "\udcff", "é" * 50, "x" * 5000, "iVBORw0KGgo", "/9j/4AAQ", "a-b_" * 2000, "QUJD=" * 9],
)
def test_odd_texts_are_refused_in_one_sentence(text: str) -> None:
    assert refusal(text).endswith(".")


def test_base64_of_something_else_is_refused_as_no_picture() -> None:
    assert "not a JPEG, PNG or WebP" in refusal(base64.b64encode(bytes(9000)).decode())


def test_base64_that_was_cut_is_refused() -> None:
    text = base64.b64encode(picture()).decode().rstrip("=")
    assert "standard base64" in refusal(text[: len(text) // 4 * 4 - 1])


@pytest.mark.parametrize("uri", ["data:image/png,abc", "data:image/png;base64", "data:image/png;base64,***", "data:"])
def test_a_data_uri_that_is_wrong_is_named_as_one(uri: str) -> None:
    assert "data URI" in refusal(uri)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    assert "is a folder" in refusal(tmp_path)


def test_a_fifo_is_refused_without_waiting_for_a_writer(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo.jpg"
    os.mkfifo(fifo)
    assert "not a regular file" in refusal(fifo)


def test_a_device_is_refused() -> None:
    assert "not a regular file" in refusal(Path("/dev/zero"))


def test_a_missing_file_is_named() -> None:
    assert "/no/such.jpg does not exist" in refusal(Path("/no/such.jpg"))


def test_a_dangling_link_is_named(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("nowhere")
    assert "does not exist" in refusal(tmp_path / "link")


def test_a_file_that_grows_while_it_is_read_is_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = picture()
    (tmp_path / "me.jpg").write_bytes(data)
    real = os.fstat

    def before(file: int) -> os.stat_result:
        return os.stat_result([*real(file)[:6], 10, *real(file)[7:10]])

    monkeypatch.setattr(os, "fstat", before)
    found = read_image(tmp_path / "me.jpg")
    assert isinstance(found, Picture)
    assert found.data == data


def test_a_file_that_must_not_be_read_reports_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "secret.jpg"
    file.write_bytes(picture())

    def deny(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", deny)  # the tests may run as root, whom no mode keeps out
    assert "cannot be read (Permission denied)" in refusal(file)


def test_a_file_of_gigabytes_is_refused_by_its_size_alone(tmp_path: Path) -> None:
    file = tmp_path / "huge.jpg"
    with file.open("wb") as out:
        out.truncate(1 << 40)  # a sparse terabyte: reading it would take hours
    assert "too large (1,099,511,627,776 bytes)" in refusal(file)


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    assert "is empty" in refusal(tmp_path / "empty.png")
    assert "is empty" in refusal(b"")


def test_ten_megabytes_encoded_are_the_limit() -> None:
    whole = png()
    assert read(whole + bytes(MAX_BYTES - len(whole))).width == 8
    assert "too large (7,500,001 bytes)" in refusal(whole + bytes(MAX_BYTES + 1 - len(whole)))
    assert len(base64.b64encode(bytes(MAX_BYTES))) == 10_000_000
    text = base64.b64encode(whole + bytes(MAX_BYTES + 1 - len(whole))).decode()
    assert "too large (10,000,004 characters)" in refusal(text)
    assert "too large" in refusal(f"data:image/png;base64,{text}")


def test_fifty_megapixels_are_the_limit() -> None:
    assert read(header_of(10_000, 5_000)).width == 10_000
    assert "10000x5001 pixels" in refusal(header_of(10_000, 5_001))
    assert "50 megapixels" in refusal(header_of(2**31 - 1, 2**31 - 1))


@pytest.mark.parametrize(
    "data",
    [
        b"<html>",
        b"GIF89a" + bytes(20),
        b"BM" + bytes(60),
        b"<svg width='1' height='1'/>",
        b"P6 1 1 255 abc",
        b"\0\0\0\x1cftypmp42" + bytes(60),
        b"RIFF\0\0\0\0WAVEfmt " + bytes(30),
        b"%PDF-1.7",
        bytes(100),
    ],
)
def test_other_formats_are_refused(data: bytes) -> None:
    assert "not a JPEG, PNG or WebP" in refusal(data)


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xd8\xff",
        b"\xff\xd8\xff\xe0",
        b"\xff\xd8\xff\xe0\0\0",
        b"\xff\xd8\xff\xda" + bytes(50),
        b"\xff\xd8\xff\xc0\0\x0b\x08\0\0\0\0\x03" + bytes(9),
        SIGNATURE,
        SIGNATURE + ihdr()[:-1],
        SIGNATURE + ihdr()[:-1] + b"\0",
        SIGNATURE + b"\0\0\0\x0c" + ihdr()[4:],
        SIGNATURE + chunk(b"IDAT", bytes(13)),
        header_of(0, 5),
        header_of(5, 0),
        b"RIFF\0\0\0\0WEBP",
        b"RIFF\0\0\0\0WEBPVP8 ",
        b"RIFF\0\0\0\0WEBPVP8L\0\0\0\0",
        b"RIFF\0\0\0\0WEBPVP8X\0\0\0\0\0",
        b"RIFF\0\0\0\0WEBPABCD" + bytes(40),
        b"RIFF\0\0\0\0WEBPVP8 " + bytes(40),
        b"RIFF\0\0\0\0WEBPVP8L" + bytes(40),
    ],
)
def test_broken_headers_are_refused(data: bytes) -> None:
    assert "broken or cut short" in refusal(data)


@pytest.mark.parametrize("kind", KINDS)
def test_no_damage_to_a_header_brings_anything_but_an_image_error(kind: str) -> None:
    whole = picture(kind, (64, 64))
    rng = random.Random(7)  # noqa: S311 -- the same damage each time
    for length in range(min(len(whole), 700)):
        damaged = bytearray(whole[:length])
        for _ in range(rng.randrange(4)):
            if damaged:
                damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        try:
            found = read(bytes(damaged))
        except ImageError:
            continue
        assert found.width * found.height > 0


def test_something_that_is_no_image_at_all_is_refused() -> None:
    assert "not int" in refusal(3)


def test_a_png_whose_header_lies_about_its_checksum_is_refused() -> None:
    body = b"IHDR" + struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0)
    wrong = struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body) ^ 1)
    assert "broken" in refusal(SIGNATURE + wrong)


@pytest.mark.parametrize("kind", ["avif", "heic"])
def test_a_telephones_format_is_named_and_what_reads_it(kind: str) -> None:
    sentence = refusal(b"\0\0\0\x14ftyp" + kind.encode() + bytes(64))
    assert f"is image/{kind}, which the vendor does not take; prepare it (swapline-producer[pictures])" in sentence
