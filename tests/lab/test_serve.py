import json
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest


def start(folder: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "airferry.lab.serve", str(folder), *options]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("end", ["terminate", "close stdin"])
def test_it_says_where_it_listens_serves_and_ends_cleanly(tmp_path, end):
    with start(tmp_path / "store", "--shape", "small", "--log", str(tmp_path / "log")) as process:
        first = process.stdout.readline()
        assert first.startswith("listening on http://127.0.0.1:")
        url = first.removeprefix("listening on ").strip()
        with urllib.request.urlopen(f"{url}/v2/auth?scope=repository:a/b:pull") as answer:
            assert json.load(answer)["token"]
        if end == "terminate":
            process.send_signal(signal.SIGTERM)
        else:
            process.stdin.close()
        assert process.wait(timeout=20) == 0
        assert process.stderr.read() == ""
    [entry] = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert (entry["endpoint"], entry["status"], entry["complete"]) == ("token", 200, True)
    assert (tmp_path / "store" / "release-4.12.0-x86_64.json").exists()
