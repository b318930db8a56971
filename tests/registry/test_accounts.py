"""``Accounts``: what every implementation promises; and the file, with several processes at it."""

import asyncio
import json
import os
import stat
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from airferry.errors import AirferryError, MalformedError, UsageError
from airferry.registry.access import Account, AccountKind, Accounts, AccountsFile, Grants, Permission
from airferry.registry.access.accounts import check_robot_name, check_user_name, is_access_token, make_access_token
from airferry.registry.errors import InUseError, NotFoundError

from .guarded import NOW, grants, robot, user

Open = Callable[[Path], Awaitable[Accounts]]

IMPLEMENTATIONS: dict[str, Open] = {"file": AccountsFile.open}
"""How each is opened on a folder; opening it twice gives two that share what is in it. A new one is a new line."""


@pytest.fixture(params=IMPLEMENTATIONS)
def open_(request: pytest.FixtureRequest) -> Open:
    return IMPLEMENTATIONS[request.param]


@pytest.fixture
async def accounts(open_: Open, tmp_path: Path) -> Accounts:
    return await open_(tmp_path)


@pytest.fixture
async def others(open_: Open, tmp_path: Path, accounts: Accounts) -> Accounts:
    """The same accounts, as another process sees them."""
    return await open_(tmp_path)


async def test_there_is_nobody_at_first_and_nobody_may_do_anything(accounts: Accounts) -> None:
    assert await accounts.all() == ()
    assert await accounts.find("admin") is None
    assert await accounts.anonymous() == Grants()


async def test_what_is_added_is_found_whole(accounts: Accounts, others: Accounts) -> None:
    ann = user("ann", team="pull,push")
    token, _ = make_access_token(NOW, NOW + timedelta(days=1), frozenset({Permission.PULL}))
    ann = replace(ann, tokens=(token,))
    ci, _ = robot("team+ci", team="push")
    await accounts.add([ci, ann])
    for seen in (accounts, others):
        assert await seen.all() == (ann, ci)
        assert await seen.find("ann") == ann
        assert await seen.find("team+ci") == ci


async def test_a_change_is_seen_at_once_by_who_has_read_before(accounts: Accounts, others: Accounts) -> None:
    await accounts.add([user("ann")])
    for number in range(30):
        given = grants(**{f"n{number}": "pull"})
        changed = await accounts.change("ann", lambda before, given=given: replace(before, grants=given))
        assert changed.grants == given
        found = await others.find("ann")
        assert found is not None and found.grants == given
    await accounts.remove("ann")
    assert await others.find("ann") is None


async def test_a_name_is_taken_once_and_of_many_all_are_added_or_none(accounts: Accounts) -> None:
    await accounts.add([user("ann")])
    for batch in ([user("bob"), user("ann")], [user("bob"), user("bob")]):
        with pytest.raises(InUseError):
            await accounts.add(batch)
        assert [account.name for account in await accounts.all()] == ["ann"]


async def test_what_is_not_there_cannot_be_changed_or_removed(accounts: Accounts) -> None:
    with pytest.raises(NotFoundError):
        await accounts.change("ann", lambda before: before)
    with pytest.raises(NotFoundError):
        await accounts.remove("ann")


async def test_an_error_in_a_change_is_raised_and_nothing_is_changed(accounts: Accounts) -> None:
    await accounts.add([user("ann", team="pull")])

    def refused(before: Account) -> Account:
        raise UsageError("no")

    with pytest.raises(UsageError):
        await accounts.change("ann", refused)
    found = await accounts.find("ann")
    assert found is not None and found.grants == grants(team="pull")


async def test_many_changes_at_once_all_hold(accounts: Accounts, others: Accounts) -> None:
    await accounts.add([user("ann")])

    async def grant(number: int) -> None:
        through = (accounts, others)[number % 2]
        pull = frozenset({Permission.PULL})
        await through.change("ann", lambda before: replace(before, grants=before.grants.replaced(f"n{number}", pull)))

    await asyncio.gather(*(grant(number) for number in range(20)))
    found = await accounts.find("ann")
    assert found is not None and len(found.grants.by_namespace) == 20


async def test_what_everybody_may_do_is_kept_apart(accounts: Accounts, others: Accounts) -> None:
    given = grants(lib="pull")
    assert await accounts.change_anonymous(lambda before: before.added(given)) == given
    assert await others.anonymous() == given
    assert await others.all() == ()


# The file.


@pytest.fixture
async def file(tmp_path: Path) -> AsyncIterator[AccountsFile]:
    made = await AccountsFile.open(tmp_path)
    yield made
    made.close()


async def test_nobody_else_may_read_the_file_and_no_secret_is_in_a_repr(file: AccountsFile, tmp_path: Path) -> None:
    ann = user("ann")
    ci, secret = robot("team+ci")
    await file.add([ann, ci])
    assert {stat.S_IMODE(entry.stat().st_mode) for entry in tmp_path.iterdir()} == {0o600}
    content = (tmp_path / "accounts.json").read_text()
    assert secret not in content and secret.rpartition("_")[2] not in content
    assert ann.password is not None
    for hidden in (ann.password.bcrypt, ci.tokens[0].sha256):
        assert hidden not in repr(ann) + repr(ci) + repr(await file.all())


async def test_other_processes_change_it_while_it_is_read(file: AccountsFile, tmp_path: Path) -> None:
    """Four processes add ten accounts each; not one is lost, and this one sees them all without a word."""
    program = """if True:
        import asyncio, sys
        from datetime import UTC, datetime
        from pathlib import Path
        from airferry.registry.access import Account, AccountKind, AccountsFile
        async def main():
            accounts = await AccountsFile.open(Path(sys.argv[1]))
            for number in range(10):
                name = f"user-{sys.argv[2]}-{number}"
                await accounts.add([Account(name, AccountKind.USER, datetime.now(UTC))])
        asyncio.run(main())
    """
    children = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", program, str(tmp_path), str(number))
        for number in range(4)
    ]
    waiting = asyncio.gather(*(child.wait() for child in children))
    seen = 0
    while not waiting.done():
        found = len(await file.all())
        assert found >= seen
        seen = found
        await asyncio.sleep(0.001)
    assert await waiting == [0, 0, 0, 0]
    assert len(await file.all()) == 40


async def test_a_file_that_is_spoilt_while_it_serves_leaves_the_last_good_one_in_force(
    file: AccountsFile, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await file.add([user("ann")])
    assert await file.find("ann") is not None
    good = (tmp_path / "accounts.json").read_bytes()
    (tmp_path / "accounts.json").write_bytes(good[:-20])
    for _ in range(3):
        assert await file.find("ann") is not None
    assert [record.levelname for record in caplog.records] == ["ERROR"], "said once"
    assert "bcrypt" not in caplog.text and "$2b" not in caplog.text
    (tmp_path / "accounts.json").unlink()
    assert await file.find("ann") is not None
    (tmp_path / "accounts.json").write_bytes(good.replace(b"ann", b"bob"))
    assert await file.find("ann") is None and await file.find("bob") is not None


SPOILT = {
    "no JSON": b"{",
    "another form": b'{"version": 2}',
    "an unknown permission": b'{"anonymous": {"by_namespace": {"a": ["root"]}}}',
    "an account under another's name": (
        b'{"accounts": {"a": {"name": "b", "kind": "user", "created": "2026-01-01T00:00:00Z"}}}'
    ),
    "deep nesting": b'{"anonymous":' + b"[" * 100_000,
    "not UTF-8": b'{"accounts": {"\xff": 1}}',
}


@pytest.mark.parametrize("case", SPOILT)
async def test_a_file_that_is_spoilt_at_the_start_is_refused_and_not_overwritten(tmp_path: Path, case: str) -> None:
    (tmp_path / "accounts.json").write_bytes(SPOILT[case])
    with pytest.raises(MalformedError, match=r"accounts\.json"):
        await AccountsFile.open(tmp_path)
    accounts = AccountsFile(tmp_path)
    with pytest.raises(AirferryError):
        await accounts.add([user("ann")])
    assert (tmp_path / "accounts.json").read_bytes() == SPOILT[case]


async def test_the_users_of_an_older_registry_are_taken_over_once(tmp_path: Path) -> None:
    old = tmp_path / "users.htpasswd"
    hashes = dict.fromkeys(("zoe", "a+b@example.com"), f"$2b$04${'a' * 53}")
    old.write_text("".join(f"{name}:{hashed}\n" for name, hashed in hashes.items()))
    accounts = await AccountsFile.open(tmp_path, old)
    zoe, other = await accounts.find("zoe"), await accounts.find("a+b@example.com")
    assert zoe is not None and zoe.password is not None and zoe.password.bcrypt == hashes["zoe"]
    assert zoe.grants == grants(everywhere="admin"), "the first was the administrator"
    assert other is not None and other.grants == grants(everywhere="pull,push,delete"), "the others could do that, too"
    assert other.kind is AccountKind.USER
    assert not old.exists() and (tmp_path / "users.htpasswd.moved").exists()
    await accounts.remove("zoe")
    again = await AccountsFile.open(tmp_path, old)
    assert await again.find("zoe") is None, "who was removed does not come back"
    for one in (accounts, again):
        one.close()


async def test_users_that_cannot_be_taken_over_stop_the_start_and_stay(tmp_path: Path) -> None:
    old = tmp_path / "users.htpasswd"
    for written, said in ((b"admin:$apr1$x\n", "line 1"), (f"\xe9:$2b$04${'a' * 53}\n".encode("latin-1"), "UTF-8")):
        old.write_bytes(written)
        with pytest.raises(MalformedError, match=said):
            await AccountsFile.open(tmp_path, old)
    old.write_text(f"anonymous:$2b$04${'a' * 53}\n")
    with pytest.raises(UsageError, match="anonymous"):
        await AccountsFile.open(tmp_path, old)
    assert old.exists() and not (tmp_path / "accounts.json").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
async def test_what_root_writes_belongs_to_who_serves(tmp_path: Path) -> None:
    root = tmp_path / "registry"
    root.mkdir()
    os.chown(root, 65534, 65534)
    accounts = await AccountsFile.open(root)
    await accounts.add([user("ann")])
    accounts.close()
    assert {entry.stat().st_uid for entry in root.iterdir()} == {65534}


@pytest.mark.parametrize("name", ["", "a:b", "#x", "$oauthtoken", "a+b", "anonymous", " a", "a\n", "x" * 256, "a\x7f"])
def test_names_that_users_cannot_have(name: str) -> None:
    with pytest.raises(UsageError):
        check_user_name(name)


@pytest.mark.parametrize("name", ["ci", "+ci", "team+", "Team+ci", "team/+ci", "team+ci+x:y", "*+ci", "team+CI"])
def test_names_that_robots_cannot_have(name: str) -> None:
    with pytest.raises(UsageError):
        check_robot_name(name)


def test_names_that_can_be_had() -> None:
    assert check_user_name("ann.b@example.com") == "ann.b@example.com"
    assert check_robot_name("team/app+ci") == ("team/app", "ci")


def test_tokens_are_long_different_and_known_by_their_form() -> None:
    made = [make_access_token(NOW) for _ in range(50)]
    assert len({secret for _, secret in made}) == 50
    assert all(is_access_token(secret) and len(secret) > 40 for _, secret in made)
    assert not is_access_token("afr_short") and not is_access_token("")
    account, secret = robot("team+ci")
    assert account.token_for(secret) == account.tokens[0]
    assert account.token_for(made[0][1]) is None


def test_the_file_is_one_that_people_can_read(tmp_path: Path) -> None:
    async def write() -> None:
        accounts = await AccountsFile.open(tmp_path)
        await accounts.add([user("ann", team="push,pull")])
        accounts.close()

    asyncio.run(write())
    fields = json.loads((tmp_path / "accounts.json").read_text())
    assert fields["accounts"]["ann"]["grants"]["by_namespace"] == {"team": ["pull", "push"]}
    assert fields["version"] == 1


async def test_a_file_elsewhere_is_read_and_left_alone_and_no_account_at_all_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    elsewhere = tmp_path / "etc" / "htpasswd"
    elsewhere.parent.mkdir()
    elsewhere.write_text(f"ann:$2b$04${'a' * 53}\n")
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    accounts = await AccountsFile.open(tmp_path / "one", elsewhere)
    assert await accounts.find("ann") is not None and elsewhere.exists()
    assert caplog.text == ""
    empty = await AccountsFile.open(tmp_path / "two", tmp_path / "two" / "users.htpasswd")
    assert "holds no account" in caplog.text
    for one in (accounts, empty):
        one.close()
