"""The one thing that fixes a pull: a sentence, with a command to paste where a command does it. Pure."""

import shlex
from dataclasses import dataclass

from airferry.oci.pull_findings import Attempt, Failure, Trouble
from airferry.openshift.cluster.wanted import Wanted, WantedKind


@dataclass(frozen=True, slots=True)
class Remedies:
    """What the commands of one run have in common.

    ``release`` are the words by which ``release mirror`` finds the release, such as ``4.12.0 --arch amd64``; "" for
    none. ``disk`` is the folder that was asked, None for a mirror. ``catalog`` is the command that brings the images of
    an operator catalog to a disk, "" where each is brought by itself.
    """

    release: str = ""
    disk: str | None = None
    catalog: str = ""

    def fix(self, wanted: Wanted, attempt: Attempt, failure: Failure) -> str:
        """Return what mends ``failure``, which ended the pull of ``wanted`` at the place of ``attempt``."""
        repository = attempt.source.reference.repository
        host = repository.place.address
        match failure.trouble:
            case Trouble.BLOCKED:
                return f"take {repository} out of the blocked registries, or add a mirror that is not blocked"
            case Trouble.UNREACHABLE:
                return f"start {host}, or open the way to it (name, route, port, firewall)"
            case Trouble.NOT_TLS:
                return _speak_tls(host)
            case Trouble.UNKNOWN_CA:
                return f"put the CA that signed the certificate of {host} into additionalTrustBundle"
            case Trouble.WRONG_NAME:
                return f"have the certificate of {host} issued again with that name as subject alternative name"
            case Trouble.WRONG_TIME:
                return f"have the certificate of {host} issued again, and check the clocks"
            case Trouble.CERTIFICATE:
                return f"have the certificate of {host} issued again"
            case Trouble.NO_CREDENTIAL:
                return f"add an entry for {host} to the pull secret: airferry secret merge {host}"
            case Trouble.REFUSED_CREDENTIAL:
                return (
                    f"correct the entry in the pull secret: airferry secret merge {host} (used: {attempt.credential})"
                )
            case Trouble.DENIED:
                return f"give the user of the pull secret the right to pull {repository.path} at {host}"
            case Trouble.NO_TOKEN:
                return f"have the token service that {host} names answer with a token: its log says why not"
            case Trouble.FAILS:
                return f"mend {host}, whose log says why it fails, and verify again"
            case Trouble.BAD_RULE:
                return "correct the location in that rule"
            case Trouble.NOT_AN_IMAGE:
                return (
                    f"name an image: {wanted.reference} is an artifact, or mixes formats and must be built again in one"
                )
            case Trouble.NOT_A_RELEASE:
                return "name the release image itself: a version, or a reference such as REPOSITORY:4.12.0-x86_64"
            case Trouble.BAD_SIGNATURE:
                return f"pull by digest, and mirror the signature that was published: {self.command(wanted, attempt)}"
            case Trouble.WRONG_PLATFORM if wanted.kind is not WantedKind.EXTRA:
                return "take the release for that platform, or that for several (--arch multi), or another --platform"
            case Trouble.NO_PLATFORM | Trouble.WRONG_PLATFORM:
                return "mirror the image for that platform, or give the --platform that the nodes have"
            case Trouble.NO_MANIFEST if wanted.is_sought:
                command = self.command(wanted, attempt)
                return f"name it by digest if it is there without that tag, or mirror it: {command}"
            case Trouble.BAD_BLOB | Trouble.BAD_MANIFEST if self.disk is not None:
                discard = f"airferry media verify {shlex.quote(self.disk)} --discard"
                return f"discard what is damaged, and mirror it again: {discard}; {self.command(wanted, attempt)}"
            case Trouble.BAD_BLOB | Trouble.BAD_MANIFEST:
                # Registries keep content that is there under its digest, whatever is pushed over it.
                return (
                    f"have {host} drop what is damaged on its disk (airferry registry scrub does), "
                    f"and mirror it again: {self.command(wanted, attempt)}"
                )
            case _:
                return f"mirror it again, what is there is not sent twice: {self.command(wanted, attempt)}"

    def command(self, wanted: Wanted, attempt: Attempt) -> str:
        """Return what brings ``wanted`` to the place of ``attempt``, or to the disk, as words of a shell.

        What earlier runs remember of the place is not believed: something is missing there.
        """
        if self.catalog:
            return self.catalog
        place = attempt.source.reference
        tag = f":{place.tag}" if place.tag is not None and place.digest is None else ""
        disk = shlex.quote(self.disk) if self.disk is not None else None
        if wanted.kind is not WantedKind.EXTRA and self.release:
            to = f"--to-dir {disk}" if disk is not None else f"--to {place.repository}"
            return f"airferry release mirror {self.release} --refresh {to}"
        to = f"file://{place.repository.path}{tag} --dir {disk}" if disk is not None else f"{place.repository}{tag}"
        return f"airferry image mirror --refresh {wanted.reference} {to}"


def _speak_tls(host: str) -> str:
    return (
        f"have {host} speak TLS, or let nodes ask it in plain HTTP: {host} in registrySources.insecureRegistries of "
        "the image config, or insecure = true in registries.conf"
    )
