"""What a plan needs of the registries that it goes to."""

import json

from airferry.oci import Digest, Manifest, Place, PlaceKind, Repository
from airferry.oci.mediatype import DOCKER_LIST, DOCKER_MANIFEST
from airferry.plan import Plan, PutManifest, PutTag, Step
from airferry.plan.destination import Can, Capability, RegistryKind, known_of, needs_of, pushed_by_tag

HERE = Repository(Place(PlaceKind.REGISTRY, "m.lan"), "org/team/app")
SHORT = Repository(Place(PlaceKind.REGISTRY, "m.lan"), "org/app")
DISK = Repository(Place(PlaceKind.TREE, "/media/usb"), "org/app")


def manifest(**fields: object) -> Manifest:
    return Manifest.parse(json.dumps({"schemaVersion": 2, **fields}).encode())


def image(name: str) -> Manifest:
    pointer = {"mediaType": "x", "size": 1, "digest": Digest.of(name.encode())}
    return manifest(mediaType=DOCKER_MANIFEST, config=pointer, layers=[])


def listing(*children: Manifest) -> Manifest:
    entries = [{"mediaType": DOCKER_MANIFEST, "size": len(child.raw), "digest": child.digest} for child in children]
    return manifest(mediaType=DOCKER_LIST, manifests=entries)


def plan(*steps: Step) -> Plan:
    return Plan(steps, tuple(() for _ in steps))


ONE, OTHER = image("one"), image("other")
LIST = listing(ONE, OTHER)


def test_disks_need_nothing() -> None:
    assert needs_of(plan(PutManifest(DISK, ONE), PutTag(DISK, "1", ONE))) == ()


def test_an_image_under_a_tag_needs_no_push_without_one() -> None:
    (needs,) = needs_of(plan(PutManifest(HERE, ONE), PutTag(HERE, "1", ONE)))
    assert (needs.tagless, needs.named, needs.sparse) == ((), (HERE,), ())


def test_the_images_of_a_list_do() -> None:
    (needs,) = needs_of(plan(*(PutManifest(HERE, item) for item in (ONE, OTHER, LIST)), PutTag(HERE, "1", LIST)))
    assert (needs.tagless, needs.sparse) == ((HERE,), ())


def test_a_list_without_one_of_its_images_is_sparse() -> None:
    (needs,) = needs_of(plan(PutManifest(HERE, ONE), PutManifest(HERE, LIST)))
    assert needs.sparse == (HERE,)


def test_a_list_whose_images_are_there_already_is_whole() -> None:
    steps = plan(PutManifest(HERE, LIST), PutTag(HERE, "1", LIST))
    assert needs_of(steps, {HERE: {ONE.digest, OTHER.digest}})[0].sparse == ()
    assert needs_of(steps, {SHORT: {ONE.digest, OTHER.digest}})[0].sparse == (HERE,)


def test_the_deepest_name_is_asked_for() -> None:
    (needs,) = needs_of(plan(PutManifest(SHORT, ONE), PutManifest(HERE, ONE)))
    assert needs.deepest() == HERE
    assert needs.namespaces == ("org",)


def test_a_plan_for_a_registry_without_tagless_pushes_puts_tags_at_once() -> None:
    before = plan(PutManifest(HERE, ONE), PutManifest(DISK, ONE), PutTag(HERE, "1", ONE))
    after = pushed_by_tag(before, [HERE.place])
    assert after.steps == (PutTag(HERE, "1", ONE), PutManifest(DISK, ONE), PutTag(HERE, "1", ONE))
    assert after.needs == before.needs


def test_nothing_is_taken_for_granted_of_what_nobody_knows() -> None:
    assert known_of(RegistryKind.UNKNOWN) == {}
    assert known_of(RegistryKind.OPENSHIFT) == {}
    assert set(known_of(RegistryKind.DISTRIBUTION).values()) == {Can.YES}
    assert Capability.SPARSE not in known_of(RegistryKind.DISTRIBUTION)
