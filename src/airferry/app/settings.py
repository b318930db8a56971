"""How registries are reached in one run: read once, frozen, passed to what needs it."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a copy: its credentials file (None: the usual places), CA (None: the system's), and trust."""

    auth_file: Path | None = None
    ca_file: Path | None = None
    insecure: bool = False


@dataclass(frozen=True, slots=True)
class Settings:
    """Both sides, and the rules by which sources are found elsewhere than their names say.

    ``mirror_set_files`` hold ICSP, IDMS or ITMS documents; ``registries_conf`` is a file in the form of
    containers-registries.conf(5). ``private`` makes files on disk readable by their owner alone. A request that
    failed is tried again ``retry_times`` in a row, after ``retry_delay_s`` that doubles; waits for a registry that
    answers 429 end after ``patience_s`` in all. ``quay_token_file`` holds an OAuth token for a destination that is a
    Quay, to make organizations with.
    """

    source: Side = field(default_factory=Side)
    destination: Side = field(default_factory=Side)
    registries_conf: Path | None = None
    mirror_set_files: tuple[Path, ...] = ()
    private: bool = False
    retry_times: int = 5
    retry_delay_s: float = 0.5
    patience_s: float = 900.0
    quay_token_file: Path | None = None
    state_folder: Path = field(default_factory=lambda: default_state_folder())


def default_state_folder() -> Path:
    """Return where a user's memory between runs is kept: ``$XDG_STATE_HOME/airferry`` (XDG base directories)."""
    import os

    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "airferry"
