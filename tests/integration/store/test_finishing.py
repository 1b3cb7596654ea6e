"""Variants, clean copies and marks, through a real worker: stored, in the receipt, and linked in the webhook."""

from __future__ import annotations

import hashlib
import io
import json
from typing import TYPE_CHECKING

from PIL import Image

from support.jobs.factories import PHOTOGRAPH
from support.pictures.certificates import signing_certificate
from support.pictures.photographs import extra
from swapline_producer.contract import State

if TYPE_CHECKING:
    from pathlib import Path

    from support.programs.installation import Installation, Receiver

TYPE = "compositeWithTrainedAlgorithmicMedia"


def test_variants_are_stored_and_linked_beside_the_untouched_picture(
    installation: Installation, receiver: Receiver
) -> None:
    installation.more["SWAPLINE_VARIANTS"] = "print.jpg,web.webp:900"
    asked = {"image": PHOTOGRAPH, "gender": "female", "filter_id": 12}
    with installation.worker():
        plain = installation.run(**asked, variants=())
        job = installation.run(**asked, webhook_url=receiver.url)
        own = installation.run(**asked, variants="thumb.jpg:320:80:1/1")
    [before], [image], [third] = plain.images, job.images, own.images
    assert (image.sha256, before.variants) == (before.sha256, ())  # the vendor's picture is what it was
    sizes = {variant.key.rpartition("/")[2]: (variant.width, variant.height) for variant in image.variants}
    assert sizes == {"0.print.jpg": (1200, 1800), "0.web.webp": (600, 900)}
    for variant in (*image.variants, *third.variants):
        data = installation.stored(variant.key)
        assert (hashlib.sha256(data).hexdigest(), len(data)) == (variant.sha256, variant.bytes)
        with Image.open(io.BytesIO(data)) as opened:
            assert opened.size == (variant.width, variant.height)
    receipt = json.loads(installation.stored(image.key.replace("0.png", "receipt.json")))
    assert [one["name"] for one in receipt["images"][0]["variants"]] == ["print", "web"]
    _, event = receiver.next()
    assert [one.url.rpartition("/")[2] for one in event.data.images[0].variants] == ["0.print.jpg", "0.web.webp"]
    assert [one.name for one in third.variants] == ["thumb"]


def test_what_is_published_is_clean_marked_and_signed_and_the_original_is_kept(
    installation: Installation, tmp_path: Path
) -> None:
    c2pa = extra("c2pa")
    certificate = signing_certificate()
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    chain.write_bytes(certificate.chain)
    key.write_text(certificate.key)
    installation.more |= {
        "SWAPLINE_CLEAN_COPY": "true",
        "SWAPLINE_DIGITAL_SOURCE_TYPE": TYPE,
        "SWAPLINE_C2PA_CERTIFICATE": str(chain),
        "SWAPLINE_C2PA_KEY_FILE": str(key),
        "SWAPLINE_VARIANTS": "web.webp:900",
    }
    with installation.worker():
        job = installation.run(image=PHOTOGRAPH, gender="female", filter_id=12)
    assert job.state is State.SUCCEEDED
    [image] = job.images
    published = installation.stored(image.key)
    original, web = image.variants
    assert (original.name, web.name) == ("original", "web")
    with (
        Image.open(io.BytesIO(published)) as after,
        Image.open(io.BytesIO(installation.stored(original.key))) as before,
    ):
        assert after.tobytes() == before.tobytes()
        assert TYPE in after.info["XML:com.adobe.xmp"]
    for data, kind in ((published, "image/png"), (installation.stored(web.key), "image/webp")):
        with c2pa.Reader(kind, io.BytesIO(data)) as reader:
            report = json.loads(reader.json())
        [manifest] = report["manifests"].values()
        text = {one["label"]: one["data"] for one in manifest["assertions"]}
        assert text["swapline.sources"] == {
            "job": job.job_id,
            "vendor_output_sha256": original.sha256,
            "input_sha256": hashlib.sha256(PHOTOGRAPH).hexdigest(),
        }


def test_a_certificate_without_its_key_is_named_and_no_worker_starts(installation: Installation) -> None:
    installation.more["SWAPLINE_C2PA_CERTIFICATE"] = "/nowhere.pem"
    found = installation.cli("worker", "-c", "1")
    assert found.returncode != 0
    assert "SWAPLINE_C2PA_CERTIFICATE needs SWAPLINE_C2PA_KEY as well" in found.stdout + found.stderr
