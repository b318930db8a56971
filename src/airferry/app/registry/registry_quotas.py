"""``registry quota``: how much each namespace may hold; changed while the registry serves or not."""

from functools import partial
from pathlib import Path
from typing import Any

from airferry.app.registry.registry_accounts import actor
from airferry.app.registry.registry_upkeep import opened_store
from airferry.quantities import print_binary_size
from airferry.registry import AuditLog
from airferry.registry.access.grants import parse_namespace
from airferry.registry.amounts import parse_size
from airferry.registry.audit import AuditEvent
from airferry.registry.errors import NotFoundError
from airferry.registry.metadata import quotas
from airferry.registry.metadata.quotas import Quota


async def set_quota(root: Path, namespace: str, size: str) -> Quota:
    """Limit ``namespace`` to ``size``, such as 500GiB, from the next push on. Raises UsageError."""
    name, limit_bytes = parse_namespace(namespace), parse_size(size)
    async with opened_store(root) as (_, store):
        await store.metadata.write(partial(quotas.set_quota, namespace=name, limit_bytes=limit_bytes))
        found = await store.metadata.read(quotas.list_quotas)
    await AuditLog(root).write(AuditEvent.QUOTA_CHANGED, namespace=name, limit_bytes=limit_bytes, actor=actor())
    return next(quota for quota in found if quota.namespace == name)


async def remove_quota(root: Path, namespace: str) -> None:
    """Take the limit of ``namespace`` away. Raises ``not-found``."""
    name = parse_namespace(namespace)
    async with opened_store(root) as (_, store):
        if not await store.metadata.write(partial(quotas.remove_quota, namespace=name)):
            raise NotFoundError(f"there is no quota for {name}", hint="see `airferry registry quota list`")
    await AuditLog(root).write(AuditEvent.QUOTA_CHANGED, namespace=name, actor=actor())


async def list_quotas(root: Path) -> tuple[Quota, ...]:
    """Return all quotas, and what the namespaces hold."""
    async with opened_store(root) as (_, store):
        return await store.metadata.read(quotas.list_quotas)


def quota_document(quota: Quota) -> dict[str, Any]:
    """Return a quota for programs."""
    return {"namespace": quota.namespace, "limitBytes": quota.limit_bytes, "usedBytes": quota.used_bytes}


def print_quota(quota: Quota) -> str:
    """Return a quota for people."""
    used, limit = print_binary_size(quota.used_bytes), print_binary_size(quota.limit_bytes)
    over = ", over it: pushes are refused" if quota.used_bytes > quota.limit_bytes else ""
    return f"{quota.namespace}\t{used} of {limit}{over}\n"
