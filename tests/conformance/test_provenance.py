"""Signed manifests, read by the library's own reader and by another program; no pixel changes."""

from __future__ import annotations

import io
import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from support.jobs.fakes import job
from support.pictures.certificates import SigningCertificate, signing_certificate
from support.pictures.photographs import extra, saved
from support.pictures.pngs import grey_png
from support.programs.debian import needs
from swapline_producer.contract import State
from swapline_producer.errors import SettingsError
from swapline_producer.pictures.kinds import source_kind
from swapline_workers.core.reply.picture import whole_picture
from swapline_workers.pictures.provenance import NotSigned, Provenance
from swapline_workers.pictures.xmp import SCHEME, marked

if TYPE_CHECKING:
    from pathlib import Path

TYPE = "compositeWithTrainedAlgorithmicMedia"
SOURCES = {"input_sha256": "a" * 64, "vendor_output_sha256": "b" * 64}
JOB = job(State.STORING)
FILES = {"PNG": grey_png(64, 64), "JPEG": saved("JPEG"), "WebP": saved("WEBP")}


@pytest.fixture(scope="module")
def certificate() -> SigningCertificate:
    return signing_certificate()


@pytest.fixture
def provenance(certificate: SigningCertificate, tmp_path: Path) -> Provenance:
    extra("c2pa")
    return built(certificate, tmp_path)


def built(certificate: SigningCertificate, folder: Path) -> Provenance:
    chain = folder / "chain.pem"
    chain.write_bytes(certificate.chain)
    return Provenance(chain, certificate.key, algorithm="es256", timestamp_url=None, source_type=TYPE)


@pytest.mark.parametrize("name", FILES)
def test_a_manifest_is_valid_and_names_action_source_type_and_hashes(name: str, provenance: Provenance) -> None:
    data = FILES[name]
    kind = str(source_kind(data))
    signed = provenance.signed(data, kind, JOB, SOURCES)
    with extra("c2pa").Reader(kind, io.BytesIO(signed)) as reader:
        report = json.loads(reader.json())
    manifest = report["manifests"][report["active_manifest"]]
    text = {one["label"]: one["data"] for one in manifest["assertions"]}
    assert text["c2pa.actions.v2"]["actions"] == [{"action": "c2pa.created", "digitalSourceType": SCHEME + TYPE}]
    assert text["swapline.sources"] == {"job": JOB.job_id, **SOURCES}
    assert [one["code"] for one in report["validation_results"]["activeManifest"]["failure"]] == [
        "signingCredential.untrusted"  # the test's own authority
    ]
    with Image.open(io.BytesIO(data)) as before, Image.open(io.BytesIO(signed)) as after:
        assert after.tobytes() == before.tobytes()
    assert whole_picture(signed, inflate=True) == signed


@pytest.mark.parametrize("name", FILES)
def test_a_changed_pixel_breaks_the_manifest(name: str, provenance: Provenance) -> None:
    kind = str(source_kind(FILES[name]))
    signed = bytearray(provenance.signed(FILES[name], kind, JOB, SOURCES))
    signed[signed.index(FILES[name][-40:-24])] ^= 1
    with extra("c2pa").Reader(kind, io.BytesIO(bytes(signed))) as reader:
        failures = json.loads(reader.json())["validation_results"]["activeManifest"]["failure"]
    assert "assertion.dataHash.mismatch" in [one["code"] for one in failures]


@needs("exiftool", "libimage-exiftool-perl")
@pytest.mark.parametrize("name", ["PNG", "JPEG"])
def test_another_program_reads_manifest_and_mark(name: str, provenance: Provenance, tmp_path: Path) -> None:
    kind = str(source_kind(FILES[name]))
    path = tmp_path / "published"
    path.write_bytes(provenance.signed(marked(FILES[name], kind, TYPE), kind, JOB, SOURCES))
    output = subprocess.run(["exiftool", "-j", "-a", "-G1", path], check=True, capture_output=True).stdout
    tags: dict[str, Any] = json.loads(output)[0]
    texts = json.dumps(tags)
    assert SCHEME + TYPE in texts
    assert any(TYPE in str(value) for key, value in tags.items() if key.startswith("XMP-iptcExt"))
    assert SOURCES["vendor_output_sha256"] in texts
    assert not [key for key in tags if key.endswith((":Error", ":Warning"))]


def test_a_certificate_that_cannot_sign_is_found_at_the_start(certificate: SigningCertificate, tmp_path: Path) -> None:
    extra("c2pa")
    other = signing_certificate()
    with pytest.raises(SettingsError, match=r"^SWAPLINE_C2PA_CERTIFICATE and _KEY cannot sign: "):
        built(SigningCertificate(certificate.chain, "no key"), tmp_path)
    with pytest.raises(SettingsError, match="cannot sign"):
        built(SigningCertificate(certificate.chain, other.key), tmp_path)
    with pytest.raises(SettingsError, match="cannot be read: No such file"):
        Provenance(tmp_path / "none.pem", "", algorithm="es256", timestamp_url=None, source_type=TYPE)


def test_what_cannot_be_signed_says_so(provenance: Provenance) -> None:
    with pytest.raises(NotSigned):
        provenance.signed(b"no picture", "image/png", JOB, SOURCES)
