"""Makes a layer in eStargz form: a gzip stream of one member for each file, with an index of them at the end.

Source: the stargz snapshotter's docs/estargz.md. None of the real images at hand has one, and what matters here is
that such a layer is an ordinary gzip layer whose bytes and annotations must not change.
"""

import gzip
import hashlib
import io
import json
import struct
import tarfile
import zlib
from dataclasses import dataclass

_INDEX = "stargz.index.json"


@dataclass(frozen=True)
class StargzLayer:
    """The layer's bytes, the digest of what is in it, and the annotations of its descriptor."""

    content: bytes
    diff_id: str
    annotations: dict[str, str]


def make_layer(files: dict[str, bytes]) -> StargzLayer:
    """Return a layer that holds ``files``."""
    packed, entries, plain = bytearray(), [], hashlib.sha256()
    for name, content in files.items():
        member = _tar_member(name, content)
        plain.update(member)
        entries.append({"name": name, "type": "reg", "size": len(content), "offset": len(packed), "mode": 0o644})
        packed += gzip.compress(member, mtime=0)
    index = json.dumps({"version": 1, "entries": entries}).encode()
    member = _tar_member(_INDEX, index) + bytes(1024)
    plain.update(member)
    index_offset = len(packed)
    packed += gzip.compress(member, mtime=0) + _footer(index_offset)
    annotations = {
        "containerd.io/snapshot/stargz/toc.digest": f"sha256:{hashlib.sha256(index).hexdigest()}",
        "io.containers.estargz.uncompressed-size": str(len(gzip.decompress(bytes(packed)))),
    }
    return StargzLayer(bytes(packed), f"sha256:{plain.hexdigest()}", annotations)


def _tar_member(name: str, content: bytes) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        info = tarfile.TarInfo(name)
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))
        length = tar.offset
    return stream.getvalue()[:length]


def _footer(index_offset: int) -> bytes:
    """Return the empty gzip member of 51 bytes whose extra field says where the index begins."""
    extra = b"SG" + struct.pack("<H", 22) + f"{index_offset:016x}STARGZ".encode()
    header = b"\x1f\x8b\x08\x04" + bytes(4) + b"\x00\xff" + struct.pack("<H", len(extra)) + extra
    body = b"\x01\x00\x00\xff\xff"  # one stored block, empty, the last
    return header + body + struct.pack("<II", zlib.crc32(b""), 0)
