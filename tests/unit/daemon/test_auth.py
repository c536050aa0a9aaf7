"""engine.daemon.auth: tokens and the Unix socket's peers."""

import grp
import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.core.errors import Refused
from engine.daemon.auth import (
    Auth,
    Peer,
    Scope,
    hash_token,
    is_hash_of,
    is_token,
    make_token,
    token_gen,
)
from engine.daemon.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "ten.db") as found:
        yield found


def test_tokens_have_the_peers_form_and_none_is_like_another() -> None:
    tokens = {make_token() for _ in range(2000)}
    assert len(tokens) == 2000
    assert not any(token.startswith("-") for token in tokens), "it could not follow --token"
    assert all(len(token) == 43 and is_token(token) for token in tokens)


@pytest.mark.parametrize(
    "text", ["", "a" * 42, "a" * 44, "a" * 42 + "=", "a" * 42 + "\n", "é" * 43]
)
def test_what_is_no_token(text: str) -> None:
    assert not is_token(text)


def test_a_hash_tells_its_token_and_nothing_else() -> None:
    token = make_token()
    kept = hash_token(token)
    assert token not in kept
    assert kept != hash_token(token), "salted"
    assert is_hash_of(kept, token)
    assert not is_hash_of(kept, make_token())


@pytest.mark.parametrize(
    "kept", ["", "blake2b", "blake2b$$", "blake2b$zz$zz", "$argon2id$v=19$x$y", "blake2b$00$00"]
)
def test_a_damaged_hash_matches_nothing(kept: str) -> None:
    assert not is_hash_of(kept, make_token())


def test_no_token_is_in_force_before_one_was_made(store: Store, tmp_path: Path) -> None:
    auth = Auth(store, tmp_path)
    assert auth.verify(make_token()) is None
    assert auth.verify("") is None


def test_a_new_admin_token_voids_the_old_at_once(store: Store, tmp_path: Path) -> None:
    auth = Auth(store, tmp_path)
    first = token_gen(tmp_path)
    found = auth.verify(first)
    assert found is not None
    assert (found.name, found.scope, found.is_read_only) == ("token admin", Scope.ADMIN, False)
    second = token_gen(tmp_path)
    assert auth.verify(first) is None
    assert auth.verify(second) is not None


def test_the_admin_token_is_in_an_owner_only_file(tmp_path: Path) -> None:
    token = token_gen(tmp_path / "new" / "dir")
    path = tmp_path / "new" / "dir" / "api_token"
    assert path.read_text() == token
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert sorted(each.name for each in path.parent.iterdir() if "api" in each.name) == [
        "api_token"
    ]
    assert token.encode() not in (path.parent / "ten.db").read_bytes()


def test_a_tenants_token_reaches_its_id_only(store: Store, tmp_path: Path) -> None:
    token = token_gen(tmp_path, tenant="alice", description="CI")
    assert not (tmp_path / "api_token").exists()
    found = Auth(store, tmp_path).verify(token)
    assert found is not None
    assert (found.name, found.scope, found.tenant) == ("token tenant alice", Scope.TENANT, "alice")
    assert found.reaches("alice")
    assert not found.reaches("bob")
    assert not found.reaches("")
    (row,) = store.tenant_tokens()
    assert (row.description, row.prefix) == ("CI", token[:8])
    assert token not in row.hash


@pytest.mark.parametrize("tenant", ["../x", "a b", "a:b", "-a", "é"])
def test_a_tenant_must_be_an_id(tmp_path: Path, tenant: str) -> None:
    with pytest.raises(Refused, match="Invalid tenant"):
        token_gen(tmp_path, tenant=tenant)


def test_read_only_is_kept_with_the_token(store: Store, tmp_path: Path) -> None:
    auth = Auth(store, tmp_path)
    admin = auth.verify(token_gen(tmp_path, is_read_only=True))
    tenant = auth.verify(token_gen(tmp_path, tenant="bob", is_read_only=True))
    assert admin is not None
    assert tenant is not None
    assert admin.is_read_only
    assert admin.reaches("anyone")
    assert tenant.is_read_only
    assert not tenant.reaches("anyone")
    assert store.admin_token_hash() is None


def test_tokens_of_one_prefix_are_told_apart(store: Store, tmp_path: Path) -> None:
    auth = Auth(store, tmp_path)
    token = make_token()
    other = token[:8] + make_token()[8:]
    store.add_tenant_token("one", token[:8], hash_token(token), "")
    store.add_tenant_token("two", other[:8], hash_token(other), "")
    first, second = auth.verify(token), auth.verify(other)
    assert first is not None
    assert second is not None
    assert (first.tenant, second.tenant) == ("one", "two")


def test_a_token_file_of_a_directory_without_hash_is_adopted(store: Store, tmp_path: Path) -> None:
    token = make_token()
    (tmp_path / "api_token").write_text(token)
    (tmp_path / "api_token").chmod(0o600)
    assert Auth(store, tmp_path).verify(token) is not None


def test_a_token_file_that_another_program_replaces_is_adopted(
    store: Store, tmp_path: Path
) -> None:
    old = token_gen(tmp_path)
    auth = Auth(store, tmp_path)
    new = make_token()
    (tmp_path / "api_token").unlink()
    (tmp_path / "api_token").write_text(new)
    (tmp_path / "api_token").chmod(0o600)
    assert auth.verify(new) is not None
    assert auth.verify(old) is None


@pytest.mark.parametrize("what", ["shared", "short", "link", "folder"])
def test_a_token_file_others_may_have_written_is_not_adopted(
    store: Store, tmp_path: Path, what: str
) -> None:
    token = make_token()
    path = tmp_path / "api_token"
    match what:
        case "shared":
            path.write_text(token)
            path.chmod(0o666)
        case "short":
            path.write_text(token[:-1])
        case "link":
            (tmp_path / "elsewhere").write_text(token)
            path.symlink_to(tmp_path / "elsewhere")
        case _:
            path.mkdir()
    assert Auth(store, tmp_path).verify(token) is None
    assert store.admin_token_hash() is None


def test_root_and_the_engines_user_may_use_the_socket(store: Store, tmp_path: Path) -> None:
    auth = Auth(store, tmp_path)
    assert auth.admit(Peer(1, 0, 0), "").name == "root"
    me = os.geteuid()
    assert auth.admit(Peer(1, me, 12345), "").name == pwd.getpwuid(me).pw_name
    assert auth.admit(Peer(1, 0, 0), "").scope is Scope.ADMIN


def test_members_of_the_admin_group_may_too(store: Store, tmp_path: Path) -> None:
    auth = Auth(store, tmp_path)
    group = grp.getgrgid(0).gr_name
    with pytest.raises(Refused, match="PID namespace"):
        auth.admit(Peer(1, 0, 0, is_contained=True), "")
    stranger = Peer(1, 54321, 54321)
    with pytest.raises(Refused, match="54321 may not use this engine"):
        auth.admit(stranger, "")
    with pytest.raises(Refused):
        auth.admit(stranger, group)
    with pytest.raises(Refused):
        auth.admit(Peer(1, 54321, 54321, (0,)), "no-such-group-anywhere")
    assert auth.admit(Peer(1, 54321, 0), group).name == "54321", "by its primary group"
    assert auth.admit(Peer(1, 54321, 54321, (7, 0)), group).name == "54321"


def test_nobody_known_is_nobody_admitted(store: Store, tmp_path: Path) -> None:
    with pytest.raises(Refused):
        Auth(store, tmp_path).admit(None, "root")
