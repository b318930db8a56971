"""That no case of the list is forgotten."""

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parent.parent
CASES = frozenset(range(1, 37))

ELSEWHERE = {
    24: "collecting garbage while content is pushed: with the collector's tests",
    25: "collecting garbage under indexes with untagged children: with the collector's tests",
    27: "forged, expired and misdirected tokens: with the tests of access",
    28: "tokens used for more than they were made for: with the tests of access",
    33: "a fresh registry has no default password: with the tests of access",
    34: "secrets in logs and answers: with the tests of access",
}

NOT_APPLICABLE = {
    30: "no upstream is ever asked: this registry neither mirrors on a schedule nor proxies",
    31: "no endpoint takes the id of an object that an organization owns: accounts are managed on the command line",
    32: "nobody registers over the network: the first account is made by `registry init`, where the files are",
}


def test_every_hostile_case_has_a_test_or_a_reason() -> None:
    tested: set[int] = set()
    for file in Path(__file__).parent.glob("test_*.py"):
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                found = re.match(r"test_case_(\d\d)_", node.name)
                tested |= {int(found[1])} if found else set()
    assert tested | set(ELSEWHERE) | set(NOT_APPLICABLE) == CASES
    assert not tested & (set(ELSEWHERE) | set(NOT_APPLICABLE))
