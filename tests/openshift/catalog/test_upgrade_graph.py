"""The updates of a channel: what OLM serves, and what is told of the rest."""

import json
from pathlib import Path

import pytest

from airferry.openshift.catalog.model import Channel, ChannelEntry
from airferry.openshift.catalog.selecting.kept_entries import keep_whole
from airferry.openshift.catalog.upgrade_graph import heads, violations

from .catalogs import channel

REAL = Path(__file__).parents[2] / "data" / "catalogs" / "real-channels.json"

SOUND = {
    "one entry": "v1",
    "a chain": "v3 > v2, v2 > v1, v1",
    "the last may replace what is not there": "v2 > v1, v1 > v0",
    "a skipped entry needs no chain": "v3 > v1 - v2, v2 > v1, v1",
    "skips may name what is not there": "v2 > v1 - v0 v00, v1",
    "an entry may skip what it replaces": "v2 > v1 - v1, v1",
}

BROKEN = {
    "nothing": ("", [("channel-without-entries", "")]),
    "two heads": ("v2, v1", [("several-heads", "v2"), ("several-heads", "v1")]),
    "a cycle of two": ("v1 > v2, v2 > v1", [("update-cycle", "v1")]),
    "a cycle below a head": ("v3 > v2, v2 > v1, v1 > v2", [("update-cycle", "v2")]),
    "an entry that replaces itself": ("v1 > v1", [("update-cycle", "v1")]),
    "skips all around": ("v2 - v1, v1 - v2", [("no-head", "")]),
    "given twice": ("v2 > v1, v1, v1", [("duplicate-entry", "v1")]),
    "an entry behind one that is skipped": ("v3 > v2 - v2, v2 > v1, v1", [("behind-skipped-entry", "v1")]),
    "a stranded entry": ("v4 > v3 - v2, v3, v2 > v1, v1", [("stranded-entry", "v1")]),
}


@pytest.mark.parametrize("text", SOUND.values(), ids=SOUND)
def test_a_sound_channel_has_one_head_and_no_violations(text: str) -> None:
    assert violations(channel(text)) == ()
    assert len(heads(channel(text))) == 1


@pytest.mark.parametrize(("text", "expected"), BROKEN.values(), ids=BROKEN)
def test_a_broken_rule_names_the_entry_and_what_helps(text: str, expected: list[tuple[str, str]]) -> None:
    found = violations(channel(text))
    assert [(item.flaw.value, item.entry) for item in found] == expected
    assert all(item.suggestion and item.entry in item.what for item in found)


KEPT = {
    "one alone": ("v3 > v2, v2 > v1, v1", "v2", "v2"),
    "what lies between": ("v4 > v3, v3 > v2, v2 > v1, v1", "v3 v1", "v3 v2 v1"),
    "nothing beside neighbours": ("v3 > v2, v2 > v1, v1", "v2 v1", "v2 v1"),
    "a skipped entry alone": ("v3 > v1 - v2, v2 > v1, v1", "v2", "v2"),
    "a skipped entry and what it updates": ("v3 > v1 - v2, v2 > v1, v1", "v2 v1", "v2 v1"),
    "siblings need who skips them both": ("v4 > v1 - v2 v3, v3 > v1, v2 > v1, v1", "v2 v3", "v2 v3 v4"),
    "the nearest such one": ("v5 > v4, v4 > v1 - v2 v3, v3 > v1, v2 > v1, v1", "v2 v3", "v2 v3 v4"),
    "what a skip makes needless is not kept": ("v3 > v1 - v2, v2 > v1, v1", "v3 v1", "v3 v1"),
    "nor where something else is": ("v5 > v4, v4 > v1 - v2 v3, v3 > v1, v2 > v1, v1", "v5 v1", "v5 v4 v1"),
    "what leads on behind a skipped entry": (
        "v4 > v1 - v2 v3, v3 > v2 - v2, v2 > v1, v1 > v0, v0",
        "v3 v0",
        "v4 v3 v1 v0",
    ),
    "nothing newer than the newest, which has all it needs": (
        "v5 > v4 - v3 v2 v1, v4 > v3, v3 > v2, v2 > v1, v1",
        "v4 v1",
        "v4 v3 v2 v1",
    ),
    "a hotfix beside the chain": ("v3 > v2, v2 > v1 - v1a, v1a > v1, v1", "v1a v3", "v3 v2 v1a"),
}


@pytest.mark.parametrize(("text", "wanted", "expected"), KEPT.values(), ids=KEPT)
def test_as_much_is_kept_as_updates_need(text: str, wanted: str, expected: str) -> None:
    kept = keep_whole(channel(text), wanted.split())
    assert {entry.name for entry in kept.entries} == set(expected.split())
    assert violations(kept) == ()
    assert set(kept.entries) <= set(channel(text).entries)


def _real_channels() -> list[Channel]:
    return [
        Channel(
            item["name"],
            item["package"],
            tuple(
                ChannelEntry(
                    one["name"], one.get("replaces", ""), tuple(one.get("skips", ())), one.get("skipRange", "")
                )
                for one in item["entries"]
            ),
        )
        for item in json.loads(REAL.read_text())
    ]


@pytest.mark.parametrize("real", _real_channels(), ids=lambda item: f"{item.package}:{item.name}")
def test_channels_that_are_served_in_the_field_are_sound(real: Channel) -> None:
    assert violations(real) == ()
    names = [entry.name for entry in real.entries]
    for start in range(len(names)):
        for end in range(start + 1, len(names) + 1):
            assert violations(keep_whole(real, names[start:end])) == ()
