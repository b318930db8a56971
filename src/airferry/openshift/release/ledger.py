"""What a missing image of a release makes unusable, in a sentence for the ledger."""

from dataclasses import replace

from airferry.openshift.release.naming import RELEASE_NAME
from airferry.plan.model import Gap


def with_consequence(gap: Gap, version: str) -> Gap:
    """Return ``gap`` with its consequence for the release ``version`` filled in."""
    if gap.request.optional:
        sentence = f"{gap.request.name}: nodes that demand this signature or attestation will refuse the image"
    elif gap.request.name == RELEASE_NAME:
        sentence = f"{version} can neither be installed nor updated to"
    else:
        sentence = (
            f"pods of {gap.request.name} cannot start: an install of {version} or an update to it stops where it "
            "needs them"
        )
    return replace(gap, consequence=sentence)
