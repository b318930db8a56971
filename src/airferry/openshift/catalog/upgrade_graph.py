"""The updates inside a channel: which bundle replaces which, and which is newest.

Source: operator-registry, "Channel": the head is the entry that no other entry replaces or skips.
"""

from airferry.openshift.catalog.model import Channel


def heads(channel: Channel) -> tuple[str, ...]:
    """Return the entries that no other entry replaces or skips, in the catalog's order; a sound channel has one."""
    behind = {name for entry in channel.entries for name in (entry.replaces, *entry.skips)}
    return tuple(entry.name for entry in channel.entries if entry.name not in behind)
