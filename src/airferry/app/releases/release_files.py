"""What a mirrored release comes with: its files beside the disk, and the sections on stdout."""

from dataclasses import dataclass
from pathlib import Path

from airferry.app.copies.copy_report import CopyReport
from airferry.app.releases.mirror_files import FILE_NAMES, LEDGER, UNKNOWN_MIRROR, MirrorRules, ledger_text
from airferry.app.releases.release_image import OpenedRelease
from airferry.app.releases.release_records import ReleaseRecord
from airferry.app.releases.release_request import MirrorRelease
from airferry.oci import Reference
from airferry.openshift.cluster.mirror_sets import MirrorKind
from airferry.openshift.release.config_map import (
    CONFIG_FOLDER,
    config_map_name,
    print_config_map,
    signature_file_name,
)
from airferry.openshift.release.instructions import (
    InstructionStyle,
    SignatureFile,
    apply_signatures_text,
    mirror_text,
    signature_text,
    success_text,
    upload_text,
)
from airferry.openshift.release.runbook import ON_THE_DISK, RunBook, print_runbook
from airferry.openshift.release.signature import Trust

MANIFESTS_FOLDER = "manifests"
"""Where the folders of generated files stand below ``--to-dir``, one for each release."""

_APPLIED_OBJECTS = (FILE_NAMES[MirrorKind.IDMS], FILE_NAMES[MirrorKind.ITMS])


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseFiles:
    """The files and texts of one mirrored release; the same input gives the same bytes.

    ``asked`` has been checked. Several releases on one disk keep their files apart, by version and architecture.
    """

    asked: MirrorRelease
    release: OpenedRelease
    trust: Trust
    record: ReleaseRecord
    report: CopyReport

    @property
    def folder(self) -> Path:
        """The folder of generated files."""
        return files_folder(self.asked, self.release)

    @property
    def rules(self) -> MirrorRules:
        """Every repository of the payload and the release's own, at the mirror's repositories."""
        sources = {str(component.image.repository) for component in self.release.payload.components}
        sources.add(self.record.published_at)
        if self._on_disk:
            mirror = self.asked.mirror_registry or UNKNOWN_MIRROR
            mirrors = release_mirrors = [mirror]
        else:
            mirrors, release_mirrors = [str(self.asked.target.repository)], [str(self._image.repository)]
        sources -= {*mirrors, *release_mirrors}
        return MirrorRules(
            sources=tuple(sorted(sources)),
            mirrors=tuple(dict.fromkeys((*mirrors, *release_mirrors))),
            release_source=self.record.published_at,
            release_mirrors=tuple(release_mirrors),
        )

    def content(self) -> dict[Path, dict[str, bytes]]:
        """Return what to write: by folder, by name."""
        files: dict[Path, dict[str, bytes]] = {
            self.folder: {name: text.encode() for name, text in self.rules.files().items()}
        }
        if self.report.gaps:
            files[self.folder][LEDGER] = ledger_text(self.release.payload.version, self.report.gaps).encode()
        for file in self._signature_files:
            content = print_config_map(self.release.digest, self.trust.signatures)
            files.setdefault(file.parent, {})[file.name] = content
        page = f"RUNBOOK-{self._name}.md"
        files.setdefault(self._page_folder, {})[page] = print_runbook(self._run_book()).encode()
        return files

    def text(self) -> str:
        """Return stdout, section by section in oc's order."""
        text = "".join(f"{line}\n" for line in self.report.lines)
        text += success_text(self._image, self.asked.target, None if self._on_disk else self.asked.release_target)
        if self.asked.to_dir is not None:
            text += upload_text(str(self.asked.to_dir), self._image, unverified=not self.trust.is_trusted)
        else:
            fragment, mirror_object = (
                (MirrorKind.CONTENT_SOURCES, MirrorKind.ICSP)
                if self.asked.instructions is InstructionStyle.ICSP
                else (MirrorKind.DIGEST_SOURCES, MirrorKind.IDMS)
            )
            text += mirror_text(
                self.asked.instructions, self.rules.section(fragment), self.rules.section(mirror_object)
            )
            if self.asked.signature_dir is not None:
                text += apply_signatures_text(str(self.asked.signature_dir))
        name = config_map_name(self.release.digest)
        signatures = [SignatureFile(str(file), name) for file in self._signature_files]
        return text + signature_text(signatures, dry_run=self.asked.options.dry_run)

    @property
    def _name(self) -> str:
        return _name_of(self.release)

    @property
    def _on_disk(self) -> bool:
        return self.asked.to_dir is not None

    @property
    def _image(self) -> Reference:
        """Where the release image is, or with ``skip_release_image`` would be."""
        target = self.asked.target
        tag = target.tag(self.release.payload.version, self.release.arch_word, None)
        return self.asked.release_target or Reference(target.repository, tag)

    @property
    def _page_folder(self) -> Path:
        return self.asked.to_dir or self.folder

    @property
    def _signature_files(self) -> tuple[Path, ...]:
        if not self.trust.signatures:
            return ()
        # A disk always has them where the far side looks for them, wherever else they are wanted.
        on_disk = None if self.asked.to_dir is None else self.asked.to_dir / CONFIG_FOLDER
        folders = [folder for folder in (on_disk, self.asked.signature_dir) if folder is not None] or [self.folder]
        return tuple(folder / signature_file_name(self.release.digest) for folder in dict.fromkeys(folders))

    def _run_book(self) -> RunBook:
        rules, image, asked = self.rules, self._image, self.asked
        is_known = rules.mirrors != (UNKNOWN_MIRROR,)
        # Where the mirror is not known yet, the files to apply are those that loading the disk will make.
        applied = self._as_seen(self.folder) if is_known else f"{MANIFESTS_FOLDER}-{self._name}"
        return RunBook(
            version=self.release.payload.version,
            arch=self.release.arch_word,
            digest=self.release.digest,
            components=len(self.release.payload.components),
            disk=ON_THE_DISK if self._on_disk else None,
            tag=image.tag or "",
            registry=rules.mirrors[0] if self._on_disk else str(image.repository),
            repository_path=image.repository.path,
            fragment=str(Path(applied, "install-config-imageDigestSources.yaml")),
            mirror_objects=tuple(str(Path(applied, name)) for name in _APPLIED_OBJECTS),
            signature_files=tuple(self._as_seen(file) for file in self._signature_files[:1]),
            tool=asked.tool_name,
            unverified=not self.trust.is_trusted,
            verification_keys=tuple(key.name for key in asked.verification_keys),
        )

    def _as_seen(self, file: Path) -> str:
        """Return the path as the page should name it: on the disk, or from its own folder where that is possible."""
        if not file.is_relative_to(self._page_folder):
            return str(file)
        inside = str(file.relative_to(self._page_folder))
        return f"{ON_THE_DISK}/{inside}" if self._on_disk else inside


def files_folder(asked: MirrorRelease, release: OpenedRelease) -> Path:
    """Return the folder of generated files: ``--manifests-dir``, else on the disk, else in the current folder."""
    if asked.manifests_dir is not None:
        return asked.manifests_dir
    if asked.to_dir is not None:
        return asked.to_dir / MANIFESTS_FOLDER / _name_of(release)
    return Path(f"{MANIFESTS_FOLDER}-{_name_of(release)}")


def _name_of(release: OpenedRelease) -> str:
    return f"{release.payload.version}-{release.arch_word}"
