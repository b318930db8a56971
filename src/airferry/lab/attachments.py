"""What Sigstore's tools leave beside an image: tags ``sha256-<hex>.sig`` and ``.att``, and a referrer.

Shaped like what cosign writes; the signatures themselves are noise and verify against nothing.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from airferry.lab.images import CREATED, descriptor, print_json
from airferry.lab.store import LabStore
from airferry.oci import Digest, mediatype

SIMPLE_SIGNING = "application/vnd.dev.cosign.simplesigning.v1+json"
DSSE = "application/vnd.dsse.envelope.v1+json"
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"


@dataclass(frozen=True, slots=True)
class _Attachment:
    """What lies beside an image: under a tag that ends in ``suffix``, one layer with its annotations."""

    suffix: str
    layer_type: str
    content: bytes
    annotations: Mapping[str, str]


def attach_signature(store: LabStore, path: str, digest: Digest, reference: str) -> str:
    """Give ``digest`` a cosign signature under its tag, and return the tag."""
    payload = {
        "critical": {
            "identity": {"docker-reference": reference},
            "image": {"docker-manifest-digest": digest},
            "type": "cosign container image signature",
        },
        "optional": None,
    }
    annotations = {"dev.cosignproject.cosign/signature": _pretend_signature(digest)}
    return _attach(store, path, digest, _Attachment("sig", SIMPLE_SIGNING, _print(payload), annotations))


def attach_attestation(store: LabStore, path: str, digest: Digest) -> str:
    """Give ``digest`` an attestation under its tag, and return the tag."""
    statement = {
        "_type": "https://in-toto.io/Statement/v0.1",
        "predicateType": "https://slsa.dev/provenance/v0.2",
        "subject": [{"name": path, "digest": {"sha256": digest.hex}}],
        "predicate": {"builder": {"id": "airferry-lab"}},
    }
    envelope = {
        "payloadType": "application/vnd.in-toto+json",
        "payload": base64.b64encode(_print(statement)).decode(),
        "signatures": [{"keyid": "", "sig": _pretend_signature(digest)}],
    }
    annotations = {"predicateType": "https://slsa.dev/provenance/v0.2"}
    return _attach(store, path, digest, _Attachment("att", DSSE, _print(envelope), annotations))


def attach_referrer(store: LabStore, path: str, digest: Digest) -> Digest:
    """Put a Sigstore bundle whose ``subject`` is ``digest``, found by the referrers API only, and return its digest."""
    subject_type = store.repository(path).manifests[digest]
    empty = b"{}"
    bundle = _print({"mediaType": BUNDLE, "messageSignature": {"signature": _pretend_signature(digest)}})
    manifest = print_json(
        {
            "schemaVersion": 2,
            "mediaType": mediatype.OCI_MANIFEST,
            "artifactType": BUNDLE,
            "config": descriptor(mediatype.OCI_EMPTY, store.put_blob(path, empty), len(empty)),
            "layers": [descriptor(BUNDLE, store.put_blob(path, bundle), len(bundle))],
            "subject": descriptor(subject_type, digest, len(store.read(digest))),
            "annotations": {"org.opencontainers.image.created": CREATED},
        }
    )
    return store.put_manifest(path, manifest, mediatype.OCI_MANIFEST)


def _attach(store: LabStore, path: str, digest: Digest, attachment: _Attachment) -> str:
    content = attachment.content
    layer = descriptor(attachment.layer_type, store.put_blob(path, content), len(content))
    layer["annotations"] = dict(attachment.annotations)
    config = _print(
        {
            "architecture": "",
            "created": "0001-01-01T00:00:00Z",
            "os": "",
            "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]},
            "config": {},
        }
    )
    manifest = {
        "schemaVersion": 2,
        "mediaType": mediatype.OCI_MANIFEST,
        "config": descriptor(mediatype.OCI_CONFIG, store.put_blob(path, config), len(config)),
        "layers": [layer],
    }
    tag = f"sha256-{digest.hex}.{attachment.suffix}"
    store.put_manifest(path, _print(manifest), mediatype.OCI_MANIFEST, tag)
    return tag


def _print(fields: object) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode()


def _pretend_signature(digest: Digest) -> str:
    return base64.b64encode(hashlib.shake_128(digest.encode()).digest(71)).decode()
