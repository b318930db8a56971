"""Lets coverage guide the fuzzing of one target, or runs one input again.

    PYTHONPATH=tests .venv/bin/python -m fuzz guide TARGET FOLDER [-max_total_time=60 …]
    PYTHONPATH=tests .venv/bin/python -m fuzz replay TARGET HEX

``guide`` needs atheris (the extra ``fuzz``); FOLDER keeps the inputs that reached something new, and findings.
"""

import sys
from importlib import import_module
from pathlib import Path

WATCHED = ["airferry", "jwt"]


def replay(name: str, data: bytes) -> None:
    """Run one input; whatever it finds is raised."""
    target = import_module(".every", __package__).TARGETS[name]
    print("accepted" if target.check(data) else "refused")  # noqa: T201


def guide(name: str, folder: Path, options: list[str]) -> None:
    """Fuzz until libFuzzer's limits are reached; it ends the process itself, and not with 0 after a finding."""
    import atheris

    atheris.enabled_hooks.add("str")  # its hook for regular expressions fails on those over bytes
    with atheris.instrument_imports(include=WATCHED):
        target = import_module(".every", __package__).TARGETS[name]
    corpus, found = folder / "corpus", folder / "found"
    for made in (corpus, found):
        made.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.inputs()):
        (corpus / f"seed-{number:02}").write_bytes(seed)
    words = folder / "words"
    words.write_text("".join(f'"{"".join(f"{chr(92)}x{byte:02x}" for byte in word)}"\n' for word in target.words))
    limits = ["-timeout=20", "-rss_limit_mb=2048", "-print_final_stats=1", f"-artifact_prefix={found}/"]
    dictionary = [f"-dict={words}"] if target.words else []
    atheris.Setup([sys.argv[0], str(corpus), *limits, *dictionary, *options], target.check)
    atheris.Fuzz()


match sys.argv[1:]:
    case ["replay", name, text]:
        replay(name, bytes.fromhex(text))
    case ["guide", name, folder, *options]:
        guide(name, Path(folder), options)
    case _:
        sys.exit(__doc__)
