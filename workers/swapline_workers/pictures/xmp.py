"""XMP that says how a picture was made. Source: IPTC Photo Metadata Standard, "Digital Source Type"."""

from __future__ import annotations

import zlib

from swapline_producer.client.inputs.picture_formats import measure
from swapline_producer.storage.keys import PNG

SCHEME = "http://cv.iptc.org/newscodes/digitalsourcetype/"
"""IPTC's vocabulary of source types."""

_PACKET = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
 Iptc4xmpExt:DigitalSourceType="{source}"/>
</rdf:RDF></x:xmpmeta>
<?xpacket end="w"?>"""
_JPEG, _WEBP = "image/jpeg", "image/webp"
_IHDR_ENDS = 33
_XMP_FLAG, _ALPHA_FLAG = 0x04, 0x10
_VP8L_ALPHA = 0x10
"""Transparency in byte 4 (RFC 9649, 3.4)."""


def marked(data: bytes, kind: str, source_type: str) -> bytes:
    """Return a picture with the digital source type; it must have no XMP."""
    packet = _PACKET.format(source=SCHEME + source_type).encode()
    if kind == PNG:
        return data[:_IHDR_ENDS] + _chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + packet) + data[_IHDR_ENDS:]
    if kind == _JPEG:
        body = b"http://ns.adobe.com/xap/1.0/\0" + packet
        at = _after_jfif(data)
        return data[:at] + b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body + data[at:]
    return _webp(data, packet)


def _chunk(name: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + name + body + zlib.crc32(name + body).to_bytes(4, "big")


def _after_jfif(data: bytes) -> int:
    return 4 + int.from_bytes(data[4:6], "big") if data[2:4] == b"\xff\xe0" else 2


def _webp(data: bytes, packet: bytes) -> bytes:
    """Add XMP as the last chunk of the extended format, converting a simple file (RFC 9649, 2.7)."""
    end = 8 + int.from_bytes(data[4:8], "little")
    chunks = data[12:end] + b"\0" * (end % 2)
    if chunks[:4] != b"VP8X":
        width, height = measure(data, _WEBP)
        alpha = _ALPHA_FLAG if chunks[:4] == b"VP8L" and chunks[12] & _VP8L_ALPHA else 0
        size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
        chunks = b"VP8X\x0a\0\0\0" + bytes([alpha, 0, 0, 0]) + size + chunks
    chunks = chunks[:8] + bytes([chunks[8] | _XMP_FLAG]) + chunks[9:]
    chunks += b"XMP " + len(packet).to_bytes(4, "little") + packet + b"\0" * (len(packet) % 2)
    return b"RIFF" + (len(chunks) + 4).to_bytes(4, "little") + b"WEBP" + chunks
