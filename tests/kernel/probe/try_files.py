"""Tries at files: of another tenant, of the engine, of the host."""

import os
import socket
import sqlite3
import stat

from tries import Facts, attempt


def read(path: str) -> str:
    with open(path, "rb") as file:
        return file.read(1 << 20).decode(errors="replace")


def write_beside(folder: str) -> bool:
    """Make a file in a folder and remove it again."""
    path = os.path.join(folder, f"ten-probe-{os.getpid()}")
    with open(path, "w"):
        os.unlink(path)
    return True


def connect(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(2)
        link.connect(path)
    return True


@attempt("files", "read another tenant's data")
def other_data(facts: Facts) -> object:
    return facts["secret"] in read(f"{facts['victim_dir']}/secret")


@attempt("files", "write to another tenant's data")
def other_write(facts: Facts) -> object:
    return write_beside(facts["victim_dir"])


@attempt("files", "list the other tenants")
def list_tenants(facts: Facts) -> object:
    return "victim" in os.listdir(facts["data_dir"])


@attempt("files", "read another tenant's log")
def log(facts: Facts) -> object:
    found = ""
    for folder, _, names in os.walk(f"{facts['data_dir']}/logs/victim"):
        found += "".join(read(f"{folder}/{name}") for name in names)
    return facts["secret"] in found


@attempt("files", "write into another tenant's log")
def fifo(facts: Facts) -> object:
    for folder, _, names in os.walk(f"{facts['data_dir']}/run"):
        for name in names:
            path = f"{folder}/{name}"
            if "victim" in path and stat.S_ISFIFO(os.lstat(path).st_mode):
                os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
                return True
    return False


@attempt("files", "link another tenant's file into its own folder")
def link(facts: Facts) -> object:
    target = os.path.join(os.environ["TEN_DATA_DIR"], "link")
    os.link(f"{facts['victim_dir']}/secret", target)
    os.unlink(target)
    return True


@attempt("files", "reach another tenant by a symbolic link in its own folder")
def symlink(facts: Facts) -> object:
    path = os.path.join(os.environ["TEN_DATA_DIR"], "way")
    os.symlink(facts["victim_dir"], path)
    try:
        return read(f"{path}/secret")
    finally:
        os.unlink(path)


@attempt("files", "use another tenant's Unix socket")
def other_socket(facts: Facts) -> object:
    return connect(facts["victim_socket"])


@attempt("files", "read the engine's database")
def database(facts: Facts) -> object:
    with sqlite3.connect(f"file:{facts['data_dir']}/ten.db?mode=ro", uri=True) as db:
        return db.execute("select count(*) from sqlite_master").fetchone()[0]


@attempt("files", "read the engine's admin token")
def token(facts: Facts) -> object:
    return read(facts["token_file"])


@attempt("files", "read what the engine keeps in run/")
def run(facts: Facts) -> object:
    return os.listdir(f"{facts['data_dir']}/run")


@attempt("files", "connect to the engine's API socket")
def api(facts: Facts) -> object:
    return connect(facts["api_socket"])


@attempt("files", "read the configuration with everybody's settings")
def configuration(facts: Facts) -> object:
    return facts["secret"] in read(facts["config"])


@attempt("files", "read /etc/shadow")
def shadow(_: Facts) -> object:
    return read("/etc/shadow")


for place in ("/root", "/home", "/run", "/tmp", "/var/lib", "/var/log"):

    @attempt("files", f"read a file of the host in {place}")
    def host_file(facts: Facts, place: str = place) -> object:
        return read(f"{place}/{facts['file_name']}") == facts["secret"]


@attempt("files", "connect to a socket of a host's service in /run")
def service(facts: Facts) -> object:
    return connect(facts["service_socket"])


for place in ("/etc", "/usr/bin", "/etc/cron.d", "/root", "/opt", "/"):

    @attempt("files", f"change {place} of the host")
    def change(facts: Facts, place: str = place) -> object:
        path = os.path.join(place, f"{facts['file_name']}-by-{os.getpid()}")
        with open(path, "w"):
            pass
        # It counts if the host sees it: /root may be its own.
        found = os.stat(path).st_dev == facts["devices"][place]
        os.unlink(path)
        return found


@attempt("files", "change its own program")
def program(_: Facts) -> object:
    return write_beside(os.path.dirname(os.path.realpath(__file__)))


@attempt("files", "leave a set-user-ID program of root's in its folder")
def leave_setuid(_: Facts) -> object:
    path = os.path.join(os.environ["TEN_DATA_DIR"], "gain")
    with open(path, "w"):
        pass
    os.chmod(path, 0o4755)
    found = os.stat(path)
    os.unlink(path)
    return found.st_mode & stat.S_ISUID and found.st_uid == 0
