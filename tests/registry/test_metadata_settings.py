"""The setting that names the database: what it may be, and that its password shows nowhere."""

from pathlib import Path

import pytest

from airferry.errors import AirferryError, MalformedError
from airferry.registry import init
from airferry.registry.metadata import open_metadata
from airferry.registry.settings import CONFIG_FILE, DatabaseUrl, Settings

SECRET = "correct-horse"
URL = f"postgresql+psycopg://airferry:{SECRET}@127.0.0.1:1/registry"


def test_without_the_setting_the_metadata_are_in_the_folder(tmp_path: Path) -> None:
    init(tmp_path, ["localhost"], password="irrelevant")
    assert Settings.read(tmp_path).database is None


@pytest.mark.parametrize("url", [URL, URL.replace("+psycopg", "")])
def test_the_setting_names_a_postgresql_and_shows_no_password(tmp_path: Path, url: str) -> None:
    init(tmp_path, ["localhost"], password="irrelevant")
    file = tmp_path / CONFIG_FILE
    file.write_text(f'database = "{url}"\n{file.read_text()}')
    settings = Settings.read(tmp_path)
    assert settings.database is not None
    assert settings.database.url.password == SECRET
    for shown in (repr(settings), str(settings.database), repr(settings.database), f"{settings.database}"):
        assert SECRET not in shown
        assert "127.0.0.1" in shown


@pytest.mark.parametrize(
    "url",
    [
        pytest.param(f"mysql://airferry:{SECRET}@host/x", id="another database"),
        pytest.param(f"airferry {SECRET}", id="no URL"),
        pytest.param(f"postgresql://airferry:{SECRET}@host:port/x", id="a port that is none"),
        pytest.param(f"postgresql://airferry@host/x?password={SECRET}", id="the password in the query"),
        pytest.param(f"postgresql+asyncpg://airferry:{SECRET}@host/x", id="another driver"),
    ],
)
def test_what_is_no_postgresql_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(MalformedError) as refused:
        DatabaseUrl.parse(url)
    assert SECRET not in str(refused.value) + (refused.value.hint or "")
    assert refused.value.__cause__ is None


def test_a_database_that_does_not_answer_says_so_without_the_password() -> None:
    with pytest.raises(AirferryError) as refused:
        open_metadata(DatabaseUrl.parse(URL))
    assert refused.value.code == "unreachable"
    assert "127.0.0.1" in refused.value.message
    assert SECRET not in refused.value.message + (refused.value.hint or "")
