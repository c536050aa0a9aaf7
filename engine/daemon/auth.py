"""Who may ask what: tokens over the door, the kernel's word for who connects on the Unix socket.

A token is 32 random bytes in URL-safe base64, unpadded: 43 characters. Kept is a salted BLAKE2b
digest. A slow hash would add nothing, as it protects what can be guessed, and 256 random bits
cannot; so a check costs microseconds, and bad tokens cannot be used to burn the engine's time.
"""

from __future__ import annotations

import base64
import binascii
import grp
import hashlib
import hmac
import os
import pwd
import re
import secrets
import stat
import tempfile
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from engine.core.errors import Refused
from engine.core.names import is_label
from engine.daemon.store import Store

if TYPE_CHECKING:
    from engine.daemon.store import TenantToken

TOKEN_FILE = "api_token"  # noqa: S105 - the name of a file
DATABASE_FILE = "ten.db"

_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}\Z")
_MAX_FILE_BYTES = 100
_PREFIX_LENGTH = 8
_SALT_BYTES = 16
_DIGEST_BYTES = 32


class Scope(StrEnum):
    """What a credential reaches."""

    ADMIN = "admin"
    TENANT = "tenant"


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """What a caller was found to be.

    Attributes:
        name: For the audit: "root", "alice", "token admin", "token tenant alice".
        tenant: The only id this credential reaches, in any service; "" for an admin.
        is_read_only: It may look and change nothing.
    """

    name: str
    scope: Scope
    tenant: str = ""
    is_read_only: bool = False

    def reaches(self, ident: str) -> bool:
        """Tell whether instances with this id are its business."""
        return self.scope is Scope.ADMIN or ident == self.tenant


class Peer(msgspec.Struct, frozen=True):
    """Who is at the other end of a Unix socket, as the kernel noted when it connected.

    Attributes:
        is_contained: It is in a PID namespace of its own: a container, or an instance.
    """

    pid: int
    uid: int
    gid: int
    groups: tuple[int, ...] = ()
    is_contained: bool = False


def make_token() -> str:
    """Draw a new token: 32 random bytes in base64 of RFC 4648 section 5, unpadded.

    None begins with "-": behind `--token` that would be taken for an option.
    """
    while True:
        token = base64.urlsafe_b64encode(secrets.token_bytes(32)).rstrip(b"=").decode()
        if not token.startswith("-"):
            return token


def is_token(text: str) -> bool:
    """Tell whether text has the form of a token."""
    return _TOKEN.match(text) is not None


def hash_token(token: str) -> str:
    """Give what is kept of a token: "blake2b$SALT$DIGEST", both in hex."""
    salt = secrets.token_bytes(_SALT_BYTES)
    return f"blake2b${salt.hex()}${_digest(token, salt).hex()}"


def is_hash_of(text: str, token: str) -> bool:
    """Tell whether a kept hash belongs to a token, in a time that tells nothing about it."""
    kind, _, rest = text.partition("$")
    salt_text, _, digest_text = rest.partition("$")
    if kind != "blake2b":
        return False
    try:
        salt, digest = bytes.fromhex(salt_text), bytes.fromhex(digest_text)
    except (ValueError, binascii.Error):
        return False
    return len(salt) == _SALT_BYTES and hmac.compare_digest(digest, _digest(token, salt))


def _digest(token: str, salt: bytes) -> bytes:
    return hashlib.blake2b(token.encode(), digest_size=_DIGEST_BYTES, salt=salt).digest()


class Auth:
    """Checks callers against the engine's database, as it is at that moment.

    Tokens made by `ten token-gen` beside a running engine are in force at once, and so is the
    end of those they replace.
    """

    def __init__(self, store: Store, data_dir: str | Path) -> None:
        """Take the database; an `api_token` file of a data directory without hash is adopted."""
        self._store = store
        self._file = Path(data_dir) / TOKEN_FILE
        self._seen: tuple[int, int, int] | None = None
        self._owner = os.geteuid()
        if store.admin_token_hash() is None:
            self._adopt_file()
        else:
            self._seen = _identity(self._file)

    def verify(self, token: str) -> Credential | None:
        """Find the credential of a token, None where it is not in force."""
        if not is_token(token):
            return None
        return self._admin(token) or self._kept(token) or self._adopted(token)

    def admit(self, peer: Peer | None, admin_group: str) -> Credential:
        """Find the credential of a process that connected to the Unix socket.

        Raises:
            Refused: It is neither root, nor the engine's user, nor a member of the group.
        """
        if peer is None:
            message = "This socket tells nobody who connected"
            raise Refused(message)
        if peer.is_contained:
            # Root in there is not root of this host, whatever its number.
            message = "This socket is not for programs in a PID namespace of their own"
            raise Refused(message, hint="use a token: ten --server http://localhost:8080 --token")
        if peer.uid in {0, self._owner} or _is_member(peer, admin_group):
            return Credential(name=_user_name(peer.uid), scope=Scope.ADMIN)
        message = f"User {_user_name(peer.uid)} may not use this engine"
        hint = "ask for membership in the group that settings.admin_group names, or use a token"
        raise Refused(message, hint=hint)

    def _admin(self, token: str) -> Credential | None:
        kept = self._store.admin_token_hash()
        if kept is None or not is_hash_of(kept, token):
            return None
        return Credential(name="token admin", scope=Scope.ADMIN)

    def _kept(self, token: str) -> Credential | None:
        for row in self._store.tenant_tokens(token[:_PREFIX_LENGTH]):
            if is_hash_of(row.hash, token):
                return _credential_of(row)
        return None

    def _adopted(self, token: str) -> Credential | None:
        # The peer's own `token-gen` writes the file and a database that is not ours. Whoever may
        # write an owner-only file here could write our database as well.
        if _identity(self._file) == self._seen:
            return None
        self._adopt_file()
        return self._admin(token)

    def _adopt_file(self) -> None:
        self._seen = _identity(self._file)
        token = _read_token(self._file, self._owner)
        if token is not None and not self._admin(token):
            self._store.set_admin_token_hash(hash_token(token))


def token_gen(
    data_dir: str | Path,
    *,
    tenant: str = "",
    description: str = "",
    is_read_only: bool = False,
) -> str:
    """Make a token and put it in force, whether an engine runs or not.

    The admin token replaces the one before and is written to `api_token`; tokens of a tenant and
    read-only ones are added to those there are, and are kept as hashes only.

    Raises:
        Refused: The tenant is no valid id.
        StoreError: The database cannot be written.
        OSError: The directory or the file cannot be written.
    """
    if tenant and not is_label(tenant):
        message = f"Invalid tenant '{tenant}': 1 to 63 letters, digits, - and _ make a name"
        raise Refused(message)
    folder = Path(data_dir)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    token = make_token()
    with Store(folder / DATABASE_FILE) as store:
        if tenant or is_read_only:
            store.add_tenant_token(
                tenant,
                token[:_PREFIX_LENGTH],
                hash_token(token),
                description,
                is_read_only=is_read_only,
            )
            return token
        store.set_admin_token_hash(hash_token(token))
    _write_owner_only(folder / TOKEN_FILE, token)
    return token


def _credential_of(row: TenantToken) -> Credential:
    look = " read-only" if row.is_read_only else ""
    if row.tenant:
        return Credential(
            name=f"token tenant {row.tenant}{look}",
            scope=Scope.TENANT,
            tenant=row.tenant,
            is_read_only=row.is_read_only,
        )
    return Credential(
        name=f"token{look or ' admin'}", scope=Scope.ADMIN, is_read_only=row.is_read_only
    )


def _is_member(peer: Peer, group: str) -> bool:
    """Tell whether a peer is of a group: by what it held when connecting, or by its list."""
    if not group:
        return False
    try:
        entry = grp.getgrnam(group)
    except KeyError:
        return False
    if entry.gr_gid == peer.gid or entry.gr_gid in peer.groups:
        return True
    return _user_name(peer.uid) in entry.gr_mem


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _identity(path: Path) -> tuple[int, int, int] | None:
    """Give what tells one state of a file from another, None where it is not there."""
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _read_token(path: Path, owner: int) -> str | None:
    """Read a token file, None where it holds none or others than its owner could have written."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        found = os.fstat(handle)
        is_ours = stat.S_ISREG(found.st_mode) and found.st_uid in {0, owner}
        if not is_ours or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            return None
        text = os.read(handle, _MAX_FILE_BYTES).decode("ascii", "replace").strip()
    finally:
        os.close(handle)
    return text if is_token(text) else None


def _write_owner_only(path: Path, text: str) -> None:
    """Replace a file at once, 0600 from its first moment."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".api_token-")
    fresh = Path(name)
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
