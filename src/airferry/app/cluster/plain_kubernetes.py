"""Pull rules as files of plain Kubernetes, with the CA and the credentials that the operator gives."""

from collections.abc import Mapping
from pathlib import Path

from airferry.app.cluster.node_rules import NodeRules, Trap, write_node_files
from airferry.app.text_files import read_text_file
from airferry.content.http import AuthFile, read_auth_file
from airferry.errors import MalformedError, UnsupportedError, UsageError
from airferry.openshift.cluster.plain_kubernetes import (
    K3S_FILE,
    Login,
    PlainForm,
    containerd_form,
    k3s_form,
)

_HIDDEN = "***"
_TRAPS = {"k3s": {"invalid-mirror-name", "own-source-only", "source-first"}}
_TRAPS["containerd"] = {*_TRAPS["k3s"], "tag-pulls-unserved"}
"""Codes of the traps that are some in each form as well; other forms ask the mirrors of every table, for every pull."""
_PEM = "-----BEGIN CERTIFICATE-----"


def traps_of_form(found: NodeRules, form: str) -> tuple[Trap, ...]:
    """Return the traps that are some in this form, too."""
    return tuple(trap for trap in found.traps if trap.code in _TRAPS[form])


def plain_form(
    found: NodeRules, form: str, ca_file: Path | None, auth_file: Path | None, *, hide_secrets: bool
) -> PlainForm:
    """Return the files for ``form``, "containerd" or "k3s".

    Raises UsageError, MalformedError, NotFoundError, and UnsupportedError where they would change nothing.
    """
    made = _form(found, form, ca_file, auth_file, hide_secrets=hide_secrets)
    if made.has_effect:
        return made
    if not made.unsaid:
        raise MalformedError(
            "no mirror is named, so there is nothing to tell the nodes",
            hint="name mirror sets, install-config.yaml with mirrors, or a registries.conf",
        )
    reasons = "".join(f"\n  {reason}" for reason in made.lost or made.unsaid)
    raise UnsupportedError(
        f"nothing is left that {form} can be told:{reasons}",
        hint="mirror to paths that end in the source's path, or use nodes that read registries.conf (CRI-O)",
    )


def _form(
    found: NodeRules, form: str, ca_file: Path | None, auth_file: Path | None, *, hide_secrets: bool
) -> PlainForm:
    ca = None if ca_file is None else _read_ca(ca_file)
    if form == "containerd":
        if auth_file is not None:
            raise UsageError(
                "hosts.toml holds no credentials",
                hint="give them to pods as imagePullSecrets, or to containerd's own config.toml",
            )
        return containerd_form(found.config.rules, ca=ca)
    if auth_file is None:
        return k3s_form(found.config.rules, ca=ca)
    credentials = read_auth_file(auth_file)

    def find_login(host: str, path: str) -> Login | None:
        return _login(credentials, host, path, hide_secrets=hide_secrets)

    return k3s_form(found.config.rules, ca=ca, find_login=find_login)


def _login(credentials: AuthFile, host: str, path: str, *, hide_secrets: bool) -> Login | None:
    found = credentials.find(host, path)
    if found is None or not found.username or not found.password:
        return None
    return found.username, _HIDDEN if hide_secrets else found.password


def _read_ca(file: Path) -> str:
    text = read_text_file(file, "the CA file")
    if _PEM not in text:
        raise MalformedError(f"the CA file {file} holds no certificate", hint=f"it must be PEM: {_PEM}")
    return text


def print_files(files: Mapping[str, str]) -> str:
    """Return several files as one text, each after a line with its path."""
    return "\n".join(f"# /{name}\n{text}" for name, text in sorted(files.items()))


async def write_plain(folder: Path, files: Mapping[str, str]) -> tuple[Path, ...]:
    """Write the files below ``folder``; the one that may hold passwords for its owner alone."""
    return await write_node_files(folder, files, private=(K3S_FILE,))
