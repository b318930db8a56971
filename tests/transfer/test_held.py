"""What is remembered of a destination between runs: a memory that may be lost at any time, never a truth."""

import json
from pathlib import Path

import pytest

from airferry.oci import Digest, Place, PlaceKind, Repository
from airferry.transfer.held import BELIEVED_FOR_S, HeldRecord, load_held

PLACE = Place(PlaceKind.REGISTRY, "mirror.lan:8443")
A, B = Repository(PLACE, "a"), Repository(PLACE, "b/c")
ONE, TWO = Digest.of(b"one"), Digest.of(b"two")
NOON = 1_700_000_000.0


def holds(record: HeldRecord, repository: Repository, digest: Digest, *, now: float) -> bool:
    return record.seen(repository, digest, now=now) is not None


def test_what_was_noted_is_there_in_the_next_run(tmp_path: Path) -> None:
    record = load_held(PLACE, tmp_path)
    record.note(A, ONE, now=NOON)
    record.note(B, TWO, now=NOON + 5)
    record.bytes_per_second = 123.5
    record.save(now=NOON + 10)
    again = load_held(PLACE, tmp_path)
    assert holds(again, A, ONE, now=NOON + 20)
    assert holds(again, B, TWO, now=NOON + 20)
    assert not holds(again, B, ONE, now=NOON + 20)
    assert again.bytes_per_second == 123.5


AGES = {
    "at once": (0, True),
    "a second before a day": (BELIEVED_FOR_S - 1, True),
    "after a day": (BELIEVED_FOR_S, False),
    "after the clock was set back": (-1, False),
}


@pytest.mark.parametrize(("age_s", "believed"), AGES.values(), ids=AGES)
def test_a_note_is_believed_for_a_day(tmp_path: Path, age_s: float, believed: bool) -> None:
    record = load_held(PLACE, tmp_path)
    record.note(A, ONE, now=NOON)
    assert holds(record, A, ONE, now=NOON + age_s) is believed
    record.save(now=NOON + age_s)
    assert holds(load_held(PLACE, tmp_path), A, ONE, now=NOON) is believed


def test_what_is_forgotten_is_asked_for_again(tmp_path: Path) -> None:
    record = load_held(PLACE, tmp_path)
    record.note(A, ONE, now=NOON)
    record.forget(A, ONE)
    record.forget(A, TWO)
    record.forget(B, ONE)
    assert not holds(record, A, ONE, now=NOON)


def test_each_place_has_its_own_record_also_where_names_look_alike(tmp_path: Path) -> None:
    alike = [
        Place(PlaceKind.REGISTRY, "m.lan:5000"),
        Place(PlaceKind.REGISTRY, "m.lan_5000"),
        Place(PlaceKind.TREE, "/media/" + "x" * 300),
        Place(PlaceKind.TREE, "/mnt/" + "x" * 300),
        Place(PlaceKind.LAYOUT, "/media/" + "x" * 300),
    ]
    for place in alike:
        record = load_held(place, tmp_path)
        assert not holds(record, Repository(place, "a"), ONE, now=NOON)
        record.note(Repository(place, "a"), ONE, now=NOON)
        record.save(now=NOON)
    assert len(list((tmp_path / "held").iterdir())) == len(alike)


def test_a_first_run_remembers_nothing(tmp_path: Path) -> None:
    record = load_held(PLACE, tmp_path / "never" / "made")
    assert (record.images, record.bytes_per_second) == ({}, None)


def seen(at: object) -> dict[str, object]:
    return {"seen": at, "attached": {str(TWO): ["a-tag"]}}


def good_document() -> dict[str, object]:
    return {"version": 2, "bytesPerSecond": 10.0, "images": {"a": {str(ONE): seen(NOON)}}}


CORRUPT = {
    "empty": b"",
    "cut off": json.dumps(good_document()).encode()[:-5],
    "not UTF-8": b"\xff\xfe\x00",
    "null": b"null",
    "a list": b"[]",
    "another version": json.dumps(good_document() | {"version": 1}).encode(),
    "without images": b'{"version": 2}',
    "images that are a list": json.dumps(good_document() | {"images": [1]}).encode(),
    "images that are text": json.dumps(good_document() | {"images": {"a": "b"}}).encode(),
    "a digest that is none": json.dumps(good_document() | {"images": {"a": {"sha256:1": seen(NOON)}}}).encode(),
    "a time that is text": json.dumps(good_document() | {"images": {"a": {str(ONE): seen("noon")}}}).encode(),
    "a time that is null": json.dumps(good_document() | {"images": {"a": {str(ONE): seen(None)}}}).encode(),
    "a time alone": json.dumps(good_document() | {"images": {"a": {str(ONE): NOON}}}).encode(),
    "nested beyond reason": b"[" * 100_000,
}


@pytest.mark.parametrize("content", CORRUPT.values(), ids=CORRUPT)
def test_a_damaged_record_is_an_empty_one_and_can_be_written_again(tmp_path: Path, content: bytes) -> None:
    record = load_held(PLACE, tmp_path)
    record.save(now=NOON)
    record.file.write_bytes(content)
    damaged = load_held(PLACE, tmp_path)
    assert (damaged.images, damaged.bytes_per_second) == ({}, None)
    damaged.note(A, ONE, now=NOON)
    damaged.save(now=NOON)
    assert holds(load_held(PLACE, tmp_path), A, ONE, now=NOON)


@pytest.mark.parametrize("speed", ["fast", True, -1, 0, None, [1], 1e999])
def test_a_speed_that_is_none_is_not_used(tmp_path: Path, speed: object) -> None:
    record = load_held(PLACE, tmp_path)
    record.save(now=NOON)
    record.file.write_text(json.dumps(good_document() | {"bytesPerSecond": speed}))
    assert load_held(PLACE, tmp_path).bytes_per_second is None
    assert holds(load_held(PLACE, tmp_path), A, ONE, now=NOON)


def test_a_state_folder_that_cannot_be_written_to_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "held").write_text("a file where the folder should be")
    record = load_held(PLACE, tmp_path)
    record.note(A, ONE, now=NOON)
    record.save(now=NOON)
    assert holds(record, A, ONE, now=NOON)


def test_saving_leaves_nothing_but_the_record(tmp_path: Path) -> None:
    record = load_held(PLACE, tmp_path)
    for _ in range(2):
        record.save(now=NOON)
    assert list((tmp_path / "held").iterdir()) == [record.file]


def test_a_record_that_cannot_take_its_name_leaves_nothing_behind(tmp_path: Path) -> None:
    record = load_held(PLACE, tmp_path)
    record.file.mkdir(parents=True)
    record.save(now=NOON)
    assert list((tmp_path / "held").iterdir()) == [record.file]
