"""OpenPGP packets in pieces, put together: what Go writes and Sequoia refuses.

Go's openpgp package, which signs CI and OKD releases, writes the literal data in "partial body lengths" whose
first piece is shorter than the 512 bytes that RFC 9580 section 4.2.1.4 demands. The pieces are joined here into
one packet of definite length. Signatures are made over the content, so no trust depends on the framing.
"""

_MAX_PACKETS = 64


def join_pieces(message: bytes) -> bytes | None:
    """Return ``message`` with its top-level partial packets joined; None when there are none, or it is malformed."""
    packets: list[bytes] = []
    position, joined = 0, False
    while position < len(message):
        if len(packets) == _MAX_PACKETS or message[position] & 0xC0 != 0xC0:
            return None  # old-format packets have no partial lengths; only Go's writer needs this
        body, end, pieces = _read_body(message, position + 1)
        if end < 0:
            return None
        joined = joined or pieces > 1
        packets.append(message[position : position + 1] + b"\xff" + len(body).to_bytes(4, "big") + body)
        position = end
    return b"".join(packets) if joined else None


def _read_body(message: bytes, position: int) -> tuple[bytes, int, int]:
    """Return a packet's body, the position after it (-1 if the message ends too early), and its pieces."""
    body = bytearray()
    pieces = 0
    while True:
        length, position, partial = _read_length(message, position)
        if length < 0 or position + length > len(message):
            return b"", -1, 0
        body += message[position : position + length]
        position += length
        pieces += 1
        if not partial:
            return bytes(body), position, pieces


def _read_length(message: bytes, position: int) -> tuple[int, int, bool]:
    """Return a length (-1 if cut off), the position after it, and whether more pieces follow. RFC 9580 4.2.1."""
    header = message[position : position + 5]
    if not header:
        return -1, position, False
    first = header[0]
    if first < 192:
        return first, position + 1, False
    if first < 224:
        return (-1, position, False) if len(header) < 2 else ((first - 192 << 8) + header[1] + 192, position + 2, False)
    if first < 255:
        return 1 << (first & 0x1F), position + 1, True
    return (-1, position, False) if len(header) < 5 else (int.from_bytes(header[1:5], "big"), position + 5, False)
