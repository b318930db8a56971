"""The audit log: one JSON object a line in ROOT/audit.log, mode 0600, only ever appended to.

A line is written in one piece before the client gets its answer, but not synced: after a crash of the machine the
last seconds may be missing. It names accounts, addresses, repositories and digests, never a secret. The file is
opened for each line, so it can be rotated by renaming it.
"""

import logging
import os
from enum import StrEnum
from pathlib import Path
from time import time
from typing import Any, Final

import msgspec

from airferry.registry.disk import in_thread
from airferry.registry.durable import give_to_owner_of
from airferry.registry.timestamps import print_time

logger: Final = logging.getLogger("airferry.registry")

AUDIT_FILE: Final = "audit.log"


class AuditEvent(StrEnum):
    """What is written down."""

    LOGIN = "login"
    LOGIN_FAILED = "login-failed"
    PUSH = "push"
    DELETE = "delete"
    DENIED = "denied"
    ACCOUNT_ADDED = "account-added"
    ACCOUNT_REMOVED = "account-removed"
    PASSWORD_CHANGED = "password-changed"  # noqa: S105 - the name of an event
    PERMISSIONS_CHANGED = "permissions-changed"
    TOKEN_ADDED = "token-added"  # noqa: S105 - the name of an event
    TOKEN_REMOVED = "token-removed"  # noqa: S105 - the name of an event
    KEYS_ROTATED = "keys-rotated"
    QUOTA_CHANGED = "quota-changed"


class AuditLog:
    """Appends to the log of the registry in ``root``."""

    def __init__(self, root: Path) -> None:
        self.file = root / AUDIT_FILE

    async def write(self, event: AuditEvent, **fields: Any) -> None:
        """Append a line with the time, ``event`` and ``fields``; None is left out.

        A line that cannot be written is said in the server's log: what happened has happened, and is answered.
        """
        shown = {name: value for name, value in fields.items() if value is not None}
        line = msgspec.json.encode({"at": print_time(time()), "event": str(event), **shown}) + b"\n"
        try:
            await in_thread(self._append, line)
        except OSError as error:
            logger.error("the audit log cannot be written: %s", error.strerror, extra={"event_lost": str(event)})

    def _append(self, line: bytes) -> None:
        flags = os.O_APPEND | os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(self.file, flags, 0o600)
        try:
            give_to_owner_of(self.file.parent, descriptor)
            os.write(descriptor, line)
        finally:
            os.close(descriptor)
