"""What callers of the public API may rely on, checked by mypy alone; never run."""

from typing import assert_type

from airferry.content.memory import MemoryPlace
from airferry.content.protocol import ContentSink, ContentSource
from airferry.content.tree import TreePlace
from airferry.oci import Digest, Manifest, Reference, Repository
from airferry.plan import CopyBlob, MountBlob, Plan, PutManifest, PutTag, Step


def places_are_sources_and_sinks(memory: MemoryPlace, tree: TreePlace) -> tuple[ContentSource, ContentSink]:
    source: ContentSource = memory
    sink: ContentSink = tree
    return source, sink


def references_are_typed(text: str) -> None:
    reference = Reference.parse(text)
    assert_type(reference.repository, Repository)
    assert_type(reference.digest, Digest | None)


def a_digest_is_text(digest: Digest) -> str:
    return digest


def manifests_keep_their_bytes(manifest: Manifest) -> None:
    assert_type(manifest.raw, bytes)
    assert_type(manifest.digest, Digest)


def steps_are_a_closed_union(plan: Plan) -> None:
    for step in plan.steps:
        assert_type(step, CopyBlob | MountBlob | PutManifest | PutTag)
        _take(step)


def _take(step: Step) -> None:
    del step
