"""Whether the images of a catalog are still where it says they are."""

from dataclasses import dataclass

from airferry.app.narration import Narrator
from airferry.app.places import Places
from airferry.content.breaker import Breaker
from airferry.content.errors import NotFoundError
from airferry.errors import AirferryError
from airferry.oci import Reference
from airferry.openshift.catalog.consequences import Consequences, ImageUses
from airferry.openshift.catalog.findings import Finding, FindingCode
from airferry.openshift.catalog.images import catalog_images
from airferry.openshift.catalog.model import Catalog
from airferry.plan import CopyRequest
from airferry.survey import survey_sources


@dataclass(frozen=True, slots=True)
class Upstream:
    """What the registries answered: so many images ``asked`` for and ``present``; findings for all others.

    ``consequences`` is what the missing ones make unusable; those that cannot be told of are not among them.
    """

    asked: int
    present: int
    findings: tuple[Finding, ...]
    consequences: Consequences


async def ask_upstream(catalog: Catalog, places: Places, narrator: Narrator) -> Upstream:
    """Ask for every image of the catalog, each once, by its manifest only; nothing is fetched below it.

    An image is missing where its registry says so. No answer, or one that credentials could change, is "cannot tell",
    and a registry that cannot be reached is not asked for every image.
    """
    images = list(catalog_images(catalog).uses)
    requests = {image: CopyRequest(image, image.repository, (), str(image)) for image in images}
    narrator.phase("asking for images", steps=len(requests))
    findings = await survey_sources(
        requests.values(),
        places.source,
        on_read=lambda manifest: narrator.advance(steps=1),
        want_child=lambda child: False,
        breaker=Breaker(go_on=True),
    )
    narrator.done()
    failed = {gap.request.source: gap.error for gap in findings.gaps}
    uses = ImageUses(catalog)
    missing = [image for image, error in failed.items() if isinstance(error, NotFoundError)]
    told = tuple(_finding(image, error, uses) for image, error in sorted(failed.items()))
    return Upstream(len(images), len(images) - len(failed), told, uses.consequences(missing))


def _finding(image: Reference, error: AirferryError, uses: ImageUses) -> Finding:
    users = uses.users(image)
    packages = sorted({bundle.package for bundle in users})
    if isinstance(error, NotFoundError):
        code, consequence = FindingCode.MISSING_UPSTREAM, uses.consequence(image)
    else:
        code, consequence = FindingCode.CANNOT_TELL, ""
    return Finding(
        code,
        "",
        error.message,
        package=", ".join(packages),
        image=str(image),
        hint=error.hint or "",
        consequence=consequence,
    )
