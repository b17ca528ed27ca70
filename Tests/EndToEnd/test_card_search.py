"""The search for card numbers at the end of the run (conftest.py): it would find them."""

import sqlite3
import subprocess
import sys

import pytest

from harness import cards
from harness.gateway import ROOT


@pytest.mark.parametrize("number", cards.NUMBERS)
@pytest.mark.parametrize("gap", ["", "-", " ", "%2D", "%20", "+"])
def test_every_form_of_every_number_is_found(number, gap):
    written = gap.join(number[i:i + 4] for i in range(0, len(number), 4))
    assert cards.number_in(f'{{"n":"{written}"}}'.encode()) == number
    assert cards.number_in(b"\x0a\x10" + written.encode() + b"\x10\xa0\x05") == number


def test_what_is_no_number_is_not_found():
    assert cards.number_in(b'{"lastFour":"1111","id":"4111-1111-1111","at":4111111111111}') is None


@pytest.mark.parametrize("name", ["data/events.db", "data/events.db-wal", "data/events.db-snapshots", "data/events.db.consumers", "access.log", "stdout.txt"])
def test_a_file_with_a_number_is_named(tmp_path, name):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"\0" * 9000 + b"4111111111111111" + b"\0" * 9000)
    assert cards.left_by(tmp_path) == [f"{path}: a card number ending in 1111"]


def test_a_number_in_a_database_is_found(tmp_path):
    with sqlite3.connect(tmp_path / "events.db") as database:
        database.execute("create table events (payload blob)")
        database.execute("insert into events values (?)", (b'{"creditCardNumber":"5555-5555-5555-4444"}',))
    database.close()
    assert len(cards.left_by(tmp_path)) == 1


def test_standard_error_counts_and_the_tests_own_files_do_not(tmp_path):
    for name in cards.WRITTEN_BY_TESTS:
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("4111111111111111")
    assert cards.left_by(tmp_path, ["ready"]) == []
    assert cards.left_by(tmp_path, ["ready", "charged 4111111111111112"]) == [
        f"{tmp_path}, standard error: a card number ending in 1112"]


CONFTEST = f"""
import importlib.util, types, pytest
spec = importlib.util.spec_from_file_location("the_run", {str(ROOT / "Tests/conftest.py")!r})
the_run = importlib.util.module_from_spec(spec)
spec.loader.exec_module(the_run)
pytest_sessionfinish, pytest_terminal_summary = the_run.pytest_sessionfinish, the_run.pytest_terminal_summary

@pytest.fixture
def folder(tmp_path):
    the_run._seen.append(types.SimpleNamespace(folder=tmp_path, stderr=[]))
    return tmp_path
"""


@pytest.mark.parametrize(("text", "code"), [("4111 1111 1111 1111", 1), ("nothing", 0)])
def test_a_run_that_leaves_a_number_fails(tmp_path, text, code):
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_it.py").write_text(f"def test_it(folder):\n    (folder / 'events.db-wal').write_text({text!r})\n")
    ran = subprocess.run([sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--basetemp", tmp_path / "temp", tmp_path], capture_output=True, text=True,
                         cwd=tmp_path, stdin=subprocess.DEVNULL)
    assert ran.returncode == code and "1 passed" in ran.stdout, ran.stdout
    assert ("events.db-wal: a card number ending in 1111" in ran.stdout) == bool(code), ran.stdout
