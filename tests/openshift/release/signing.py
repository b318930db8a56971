"""Keys made on the spot, and releases signed with them, the way Red Hat's are."""

import json
from dataclasses import dataclass
from typing import Any

import pysequoia

from airferry.oci import Digest


@dataclass(frozen=True)
class Signer:
    """A fresh key pair; ``public`` is the armored certificate."""

    secret: Any

    @classmethod
    def make(cls, name: str = "Test <test@example.com>", **options: Any) -> "Signer":
        return cls(pysequoia.Tsk.generate(name, **options))

    @property
    def certificate(self) -> Any:
        return self.secret.extract_certificate()

    @property
    def public(self) -> bytes:
        return str(self.certificate).encode()

    def sign(self, content: bytes) -> bytes:
        return pysequoia.sign(self.secret.signer(), content, armor=False)

    def sign_release(self, digest: str, **changes: Any) -> bytes:
        return self.sign(json.dumps(claim(digest, **changes)).encode())


def claim(digest: str, **changes: Any) -> dict[str, Any]:
    critical = {
        "image": {"docker-manifest-digest": digest},
        "type": "atomic container signature",
        "identity": {"docker-reference": "quay.io/openshift-release-dev/ocp-release:4.99.1-x86_64"},
    }
    return {"critical": {**critical, **changes}, "optional": {"creator": "test", "timestamp": 1}}


DIGEST = Digest.of(b"a release image")
