"""Errors about content itself, whoever holds it."""

from airferry.errors import AirferryError


class ContentMismatchError(AirferryError):
    """Bytes whose size or digest differs from the descriptor that promised them."""

    code = "content-mismatch"
