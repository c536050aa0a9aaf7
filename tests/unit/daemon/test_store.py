"""The database: what it keeps, over ends of every kind, and what it refuses to open."""

import os
import signal
import sqlite3
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from engine.core import latency
from engine.core.wire import Desired, EventKind, State, Why
from engine.daemon import store as store_module
from engine.daemon.store import MAX_EVENTS, Store, StoredInstance, StoreError
from engine.daemon.store_file import open_database
from engine.daemon.store_rows import MIGRATIONS


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ten.db"


def add_events(store: Store, count: int) -> None:
    for number in range(count):
        store.add_event(time=float(number), kind=EventKind.ENGINE, text=f"event {number}")


def test_instances_come_back_whole(path: Path) -> None:
    why = Why(summary="killed by SIGSEGV", signal="SIGSEGV", stderr_tail=("a", "b\x00c"), since=5.5)
    alice = StoredInstance(
        name="api:alice",
        desired=Desired.RUNNING,
        state=State.BACKOFF,
        weight=40,
        restarts=7,
        life=b"{}",
        version="v2",
        why=why,
        started_at=1_790_000_000.25,
        spec_digest="abc",
    )
    bob = StoredInstance(name="api:bob", desired=Desired.STOPPED)
    with Store(path) as store:
        store.save_instance(bob)
        store.save_instance(alice)
    with Store(path) as store:
        assert store.instances() == [alice, bob]
        store.forget_instance("api:alice")
        store.forget_instance("api:nobody")
        assert store.instances() == [bob]


def test_saving_again_replaces(path: Path) -> None:
    with Store(path) as store:
        store.save_instance(StoredInstance(name="a:b", desired=Desired.RUNNING))
        store.save_instance(StoredInstance(name="a:b", desired=Desired.STOPPED, weight=1))
        assert [(one.desired, one.weight) for one in store.instances()] == [(Desired.STOPPED, 1)]


def test_event_numbers_grow_by_one_over_restarts(path: Path) -> None:
    with Store(path) as store:
        add_events(store, 3)
    with Store(path) as store:
        event = store.add_event(
            time=9.0,
            kind=EventKind.ACTION,
            text="stopped",
            level="warning",
            instance="a:b",
            actor="root",
            command="ten stop a:b",
        )
        assert event.id == 4
        assert store.events(after=3) == [event]
        assert [one.id for one in store.events(after=1, limit=2)] == [2, 3]
        assert [one.id for one in store.events(limit=2)] == [3, 4]
        assert store.events(after=4) == []
        assert store.events(limit=0) == []


def test_only_the_newest_events_are_kept(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "MAX_EVENTS", 50)
    with Store(path) as store:
        add_events(store, 400)
        assert [one.id for one in store.events(after=1, limit=1000)] == list(range(351, 401))
    with Store(path) as store:
        add_events(store, 1)
        ((kept,),) = store._rows("SELECT count(*) FROM event")
        assert kept <= 50 + 100
        assert store.events(limit=1)[0].id == 401


def test_the_bound_on_events() -> None:
    assert MAX_EVENTS == 10_000


def test_event_texts_are_bounded_and_storable(path: Path) -> None:
    with Store(path) as store:
        event = store.add_event(time=0, kind=EventKind.LOG, text="x" * 9000)
        odd = store.add_event(time=0, kind=EventKind.LOG, text="file \udcff\x00", command="a\udc80")
        assert len(event.text) == 4000
        assert (odd.text, odd.command) == ("file ?\x00", "a?")
        assert store.events() == [event, odd]


def test_requests_add_up_over_restarts(path: Path) -> None:
    buckets = latency.empty()
    buckets[3] = 2
    with Store(path) as store:
        store.add_requests("a:b", 2, 1, 30.5, buckets)
    with Store(path) as store:
        store.add_requests("a:b", 2, 0, 9.5, buckets)
        store.add_requests("a:c", 1, 0, 1.0, [1] + [0] * 10)
        found = store.requests()
        assert (found["a:b"].requests, found["a:b"].errors) == (4, 1)
        assert found["a:b"].duration_ms_sum == 40.0
        assert found["a:b"].buckets[3] == 4
        assert found["a:c"].buckets[0] == 1
        store.forget_instance("a:b")
    with Store(path) as store:
        assert set(store.requests()) == {"a:c"}


def test_requests_are_written_a_second_later(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(store_module.time, "monotonic", lambda: now)
    with Store(path) as store, Store(path) as other:
        store.add_requests("a:b", 1, 0, 1.0, latency.empty())
        assert other._read_traffic() == {}
        now += 1.0
        store.add_requests("a:b", 1, 0, 1.0, latency.empty())
        assert other._read_traffic()["a:b"].requests == 2
        store.add_requests("a:b", 1, 0, 1.0, latency.empty())
        store.flush()
        assert other._read_traffic()["a:b"].requests == 3


def test_tokens(path: Path) -> None:
    with Store(path) as engine, Store(path) as token_gen:
        assert engine.admin_token_hash() is None
        token_gen.set_admin_token_hash("$argon2id$1")
        assert engine.admin_token_hash() == "$argon2id$1"
        token_gen.set_admin_token_hash("$argon2id$2")
        assert engine.admin_token_hash() == "$argon2id$2"

        number = token_gen.add_tenant_token("alice", "abcdefgh", "$argon2id$3", "CI")
        engine.add_tenant_token("bob", "stuvwxyz", "$argon2id$4", "")
        (found,) = engine.tenant_tokens("abcdefgh")
        assert (found.id, found.tenant, found.hash) == (number, "alice", "$argon2id$3")
        assert found.description == "CI"
        assert found.created_at > 1_700_000_000
        assert [one.tenant for one in engine.tenant_tokens()] == ["alice", "bob"]
        assert engine.remove_tenant_token(number)
        assert not engine.remove_tenant_token(number)
        assert token_gen.tenant_tokens("abcdefgh") == []


def test_values(path: Path) -> None:
    with Store(path) as store:
        assert store.get("ports") is None
        store.put("ports", "1")
        store.put("ports", "2")
    with Store(path) as store:
        assert store.get("ports") == "2"


def test_only_the_owner_may_read_it(path: Path) -> None:
    def modes() -> set[int]:
        return {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}

    with Store(path) as store:
        store.put("a", "b")
        assert len(list(path.parent.iterdir())) == 3
        assert modes() == {0o600}
    path.chmod(0o644)
    with Store(path) as store:
        store.put("a", "b")
        assert modes() == {0o600}


def test_making_it_leaves_nothing_beside_it(path: Path) -> None:
    Store(path).close()
    assert [file.name for file in path.parent.iterdir()] == ["ten.db"]


def test_a_checkpoint_moves_the_journal_into_the_file(path: Path) -> None:
    with Store(path) as store:
        store.put("note", "x" * 100_000)
        before = path.stat().st_size
        store.checkpoint()
        assert path.stat().st_size > before + 90_000


KILLED = """
    import os, signal, sys
    from engine.core import latency
    from engine.core.wire import Desired, EventKind
    from engine.daemon.store import Store, StoredInstance
    store = Store(sys.argv[1])
    for number in range(200):
        store.add_event(time=0.0, kind=EventKind.ENGINE, text=str(number))
        store.save_instance(StoredInstance(name="a:b", desired=Desired.RUNNING, restarts=number))
    store._connection.execute("BEGIN IMMEDIATE")
    store._connection.execute("DELETE FROM event")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_engine_loses_nothing_and_leaves_nothing_half_done(path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(KILLED), str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    with Store(path) as store:
        assert [one.text for one in store.events(limit=1000)] == [str(n) for n in range(200)]
        assert store.instances()[0].restarts == 199


# --- what is refused ---


def refuse(path: Path, words: str) -> StoreError:
    before = path.read_bytes() if path.is_file() and os.access(path, os.R_OK) else None
    with pytest.raises(StoreError) as caught:
        Store(path)
    assert str(path) in str(caught.value)
    assert words in str(caught.value)
    if before is not None:
        assert path.read_bytes() == before, "a refused file stays as it was"
    return caught.value


def filled(path: Path) -> bytes:
    with Store(path) as store:
        add_events(store, 500)
        store.put("big", "y" * 50_000)
    return path.read_bytes()


@pytest.mark.parametrize(
    "content",
    [b"\0" * 8192, b"hello, world\n" * 500, os.urandom(4096), b"SQLite format 3\0"],
    ids=["zeros", "text", "noise", "header only"],
)
def test_a_file_that_is_no_database(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    error = refuse(path, "")
    assert "mv " in error.hint or "another" in str(error)


def test_an_emptied_file_is_damage_and_no_new_database(path: Path) -> None:
    filled(path)
    path.write_bytes(b"")
    assert "begin anew" in refuse(path, "the file is empty").hint


def test_a_file_cut_short(path: Path) -> None:
    whole = filled(path)
    for share in (0.2, 0.5, 0.9):
        path.write_bytes(whole[: int(len(whole) * share)])
        assert "damaged" in str(refuse(path, "damaged"))


def test_pages_overwritten_in_the_middle(path: Path) -> None:
    whole = filled(path)
    page = 4096
    for number in range(1, len(whole) // page - 1, 3):
        torn = bytearray(whole)
        torn[number * page : number * page + page] = b"\xa5" * page
        path.write_bytes(torn)
        refuse_or_equal(path, bytes(torn))


def refuse_or_equal(path: Path, torn: bytes) -> None:
    """Pages of free space and of a long value may hold anything; all others must be seen."""
    try:
        with Store(path) as store:
            assert len(store.events(limit=1000)) == 500
    except StoreError as error:
        message = str(error)
    else:
        return
    assert str(path) in message
    assert path.read_bytes() == torn


def test_a_journal_without_its_database(path: Path) -> None:
    Path(f"{path}-wal").write_bytes(b"something")
    assert "rm " in refuse(path, "is missing, but its journal").hint
    assert not path.exists()


def test_a_newer_schema(path: Path) -> None:
    Store(path).close()
    open_database(path, [*MIGRATIONS, "CREATE TABLE later (a)", "CREATE TABLE more (a)"]).close()
    newest = len(MIGRATIONS) + 2
    error = refuse(path, f"written by a newer ten (schema {newest}; this one knows {newest - 2})")
    assert "newer" in error.hint


def test_a_database_of_another_program(path: Path) -> None:
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE config (key TEXT, value TEXT)")
    other.commit()
    other.close()
    refuse(path, "a database of another program")


def test_a_folder_in_its_place(path: Path) -> None:
    path.mkdir()
    refuse(path, "not a regular file")


def test_a_missing_folder(path: Path) -> None:
    refuse(path.parent / "none" / "ten.db", "No such file or directory")


def test_a_dangling_link(path: Path) -> None:
    path.symlink_to(path.parent / "elsewhere.db")
    refuse(path, "No such file or directory")


def test_a_damaged_row_names_itself(path: Path) -> None:
    with Store(path) as store:
        store.save_instance(StoredInstance(name="a:b", desired=Desired.RUNNING))
        store._connection.execute("UPDATE instance SET state = 'purple'")
        with pytest.raises(StoreError, match=r"the row of 'a:b' is damaged .*purple"):
            store.instances()


def test_damage_seen_later_names_the_file(path: Path) -> None:
    with Store(path) as store:
        store._connection.execute("DROP TABLE kv")
        with pytest.raises(StoreError, match=r"ten\.db: no such table: kv"):
            store.get("a")


def test_a_failed_transaction_is_taken_back(path: Path) -> None:
    with Store(path) as store:
        store._connection.execute("PRAGMA max_page_count = 1")
        with pytest.raises(StoreError, match="full") as caught:
            add_events(store, 5000)
        assert "df -h" in caught.value.hint
        store._connection.execute("PRAGMA max_page_count = 100000")
        count = len(store.events(limit=9000))
        add_events(store, 1)
        assert len(store.events(limit=9000)) == count + 1


# --- migration ---


def test_an_older_schema_is_brought_up_to_date(path: Path) -> None:
    Store(path).close()
    step = "ALTER TABLE kv ADD COLUMN owner TEXT NOT NULL DEFAULT ''; CREATE TABLE extra (a)"
    connection = open_database(path, [*MIGRATIONS, step])
    try:
        assert connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS) + 1,)
        assert connection.execute("SELECT owner FROM kv").fetchall() == []
    finally:
        connection.close()


def test_a_failing_migration_changes_nothing(path: Path) -> None:
    Store(path).close()
    with pytest.raises(StoreError, match=r"ten\.db"):
        open_database(path, [*MIGRATIONS, "CREATE TABLE extra (a); SELECT nonsense FROM nowhere"])
    with Store(path) as store:
        assert store._rows("SELECT name FROM sqlite_master WHERE name = 'extra'") == []


def test_two_processes_may_make_it_at_once(path: Path) -> None:
    code = "import sys; from engine.daemon.store import Store; s = Store(sys.argv[1]); s.close()"
    both = [subprocess.Popen([sys.executable, "-c", code, str(path)]) for _ in range(2)]
    assert [process.wait(30) for process in both] == [0, 0]
    Store(path).close()
