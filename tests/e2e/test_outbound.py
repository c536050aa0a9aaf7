"""Instances with `network = "outbound"`: they reach the internet, and nothing that is nearer."""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import leaks
from tests.e2e.engine_run import wait_until
from tests.e2e.standing import held
from tests.e2e.world import (
    GATEWAY,
    HOST,
    LAN,
    METADATA,
    NEIGHBOUR,
    OUTSIDE,
    PORT,
    EngineThere,
    World,
    addresses_inside,
    serving_at,
    world,
)
from tests.require import require_program

GUEST = f"{sys.executable} -S {Path(__file__).parent / 'guest.py'}"

CONFIG = f"""
[settings]
outbound_dns = ["{LAN}", "{HOST}"]
health_check_interval = 1

[service.web]
command = "{GUEST}"
network = "outbound"
health = "/health"
stop_grace = 1

[service.broken]
command = "/no/such/program"
network = "outbound"
restart = "never"

[instances]
web = ["a", "b"]
"""


@pytest.fixture
def there() -> Iterator[World]:
    with world() as made:
        yield made


@contextlib.contextmanager
def running(there: World, folder: Path) -> Iterator[EngineThere]:
    made = EngineThere(folder, CONFIG, there)
    try:
        made.start()
        for name in ("web:a", "web:b"):
            made.wait_state(name, "healthy")
        yield made
    finally:
        made.end()


@pytest.fixture
def run(there: World, tmp_path: Path) -> Iterator[EngineThere]:
    with running(there, tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineThere]:
    """One for all tests that only look."""
    before = leaks.look()
    with world() as there, running(there, tmp_path_factory.mktemp("standing")) as made:
        yield made
    assert leaks.wait_clean(before) == {}


def dial(run: EngineThere, who: str, address: str, port: int = PORT) -> str:
    return run.visit(f"{who}.web", f"/dial/{address}/{port}")[1]


def gateway_of(run: EngineThere, name: str) -> str:
    pid = run.instance(name)["pid"]
    return run.world.host.run(f"nsenter --net=/proc/{pid}/ns/net ip route").split()[2]


@pytest.mark.shares_engine
def test_they_reach_the_internet_in_the_hosts_name(standing: EngineThere) -> None:
    assert dial(standing, "a", OUTSIDE) == f"reached hello {HOST}"
    assert dial(standing, "b", OUTSIDE) == f"reached hello {HOST}"
    assert {standing.instance(f"web:{each}")["port"] for each in "ab"} == {8080}
    assert standing.instance("web:a")["network"] == "outbound"
    assert len(standing.world.interfaces()) == 2


@pytest.mark.shares_engine
def test_they_reach_nothing_that_is_nearer(standing: EngineThere) -> None:
    other = addresses_inside(standing, "web:b")[-1].partition("/")[0]
    near = {HOST, "192.168.77.1", gateway_of(standing, "web:a"), other, NEIGHBOUR, METADATA, LAN}
    for address in near:
        answer = dial(standing, "a", address)
        assert answer.startswith("failed"), (address, answer)
        assert "timed out" not in answer, "the program is told at once"
    assert dial(standing, "a", other, 8080).startswith("failed")
    assert "refused" in dial(standing, "a", "127.0.0.1")
    assert standing.world.host.within(lambda: connect("127.0.0.1", standing.port)) == 0, (
        "the control"
    )
    assert dial(standing, "a", HOST, standing.port).startswith("failed")


def connect(address: str, port: int = PORT) -> int:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((address, port))


def test_without_the_filter_they_would(run: EngineThere) -> None:
    """The control: the tries above are sound, and the filter is put back at once."""
    near = [HOST, gateway_of(run, "web:a"), NEIGHBOUR, OUTSIDE, LAN]
    other = addresses_inside(run, "web:b")[-1].partition("/")[0]
    # Then the ways back are all there is to it, as nothing is masqueraded.
    back = "ip route add 10.212.0.0/16 via "
    run.world.neighbour.run(f"{back} 192.168.77.1")
    run.world.internet.run(f"{back} {HOST}")
    run.world.host.run("echo 1 > /proc/sys/net/ipv4/conf/lan0/forwarding")
    engine = run.pid("engine")
    with serving_at(run.instance("web:b")["pid"]):
        os.kill(engine, signal.SIGSTOP)
        try:
            run.world.host.run("nft flush ruleset")
            reached = {address: dial(run, "a", address) for address in (*near, METADATA, other)}
        finally:
            os.kill(engine, signal.SIGCONT)
        own = addresses_inside(run, "web:a")[-1].partition("/")[0]
        assert reached == dict.fromkeys(reached, f"reached hello {own}")
        wait_until(run.world.tables, "the table is there again")
        assert dial(run, "a", OUTSIDE) == f"reached hello {HOST}"
        for address in {*near, METADATA, other} - {OUTSIDE}:
            assert dial(run, "a", address).startswith("failed [Errno 111]"), address


@pytest.mark.shares_engine
def test_resolvers_are_reached_for_names_alone(standing: EngineThere) -> None:
    assert standing.visit("a.web", "/resolver")[1].splitlines()[0] == f"nameserver {LAN}"
    assert dial(standing, "a", LAN, 53) == f"reached hello {HOST}"
    assert dial(standing, "a", LAN).startswith("failed")
    assert dial(standing, "a", HOST, 53).startswith("reached")
    assert dial(standing, "a", HOST).startswith("failed")
    assert "Read-only file system" in standing.visit("a.web", "/spoil")[1]


@pytest.mark.shares_engine
def test_they_have_no_address_of_ipv6(standing: EngineThere) -> None:
    assert [each for each in addresses_inside(standing, "web:a") if ":" in each] == ["::1/128"]
    names = standing.world.host.run("ip -6 -o addr").split()
    assert not standing.world.interfaces().intersection(names)


def test_the_host_is_no_router_for_others(run: EngineThere) -> None:
    """It passes on what instances send; what its neighbours send it drops as before."""
    assert run.world.forwards("up0")
    assert not run.world.forwards("lan0")

    def reaches() -> bool:
        return run.world.internet.within(lambda: connect(NEIGHBOUR)) == 0

    assert not reaches()
    engine = run.pid("engine")
    os.kill(engine, signal.SIGSTOP)
    run.world.host.run("nft flush ruleset; echo 1 > /proc/sys/net/ipv4/conf/lan0/forwarding")
    is_open = reaches()
    run.world.host.run("echo 0 > /proc/sys/net/ipv4/conf/lan0/forwarding")
    os.kill(engine, signal.SIGCONT)
    assert is_open, "the control"
    wait_until(run.world.tables, "the table is there again")
    assert not reaches()


def test_where_the_host_is_a_router_it_stays_one(there: World, tmp_path: Path) -> None:
    there.host.run("echo 1 > /proc/sys/net/ipv4/ip_forward")
    run = EngineThere(tmp_path, CONFIG, there)
    try:
        run.start()
        run.wait_state("web:a", "healthy")
        assert dial(run, "a", OUTSIDE) == f"reached hello {HOST}"
        assert there.internet.within(lambda: connect(NEIGHBOUR)) == 0
    finally:
        run.end()
    assert there.forwards("up0")
    assert there.tables() == []


def test_a_way_that_cannot_be_finished_is_not_begun(run: EngineThere) -> None:
    """The file of resolvers is made before there is anything that would have to be closed."""
    files = run.data_dir / "run"
    (files / "resolv.conf").unlink()
    (files / "resolv.new").mkdir()
    assert run.spawn("web:c")[0] == 500
    assert "resolv.new" in run.wait_state("web:c", "failed", "backoff")["why"]["summary"]
    assert run.stop_instance("web:c") == 204
    assert len(run.world.interfaces()) == 2
    (files / "resolv.new").rmdir()
    assert run.spawn("web:c")[0] == 200
    run.wait_state("web:c", "healthy")


def test_nothing_is_left_of_them(run: EngineThere) -> None:
    there = run.world
    assert run.stop_instance("web:b") == 204
    wait_until(lambda: len(there.interfaces()) == 1, "its interface is gone")
    assert run.spawn("broken:x")[0] == 500
    run.wait_state("broken:x", "failed")
    wait_until(lambda: len(there.interfaces()) == 1, "nothing is left of what failed")
    before = {name: held(run.pid(name)) for name in ("engine", "keeper")}
    for _ in range(3):
        assert run.spawn("web:b")[0] == 200
        run.spawn("broken:x")
        run.wait_state("web:b", "healthy")
        assert run.stop_instance("web:b") == 204
    for name, descriptors in before.items():
        wait_until(lambda name=name, same=descriptors: held(run.pid(name)) == same, name)
    assert run.stop() == 0
    wait_until(lambda: not there.interfaces(), "all are gone")
    assert (there.tables(), there.forwards("up0")) == ([], False)


def test_it_is_taken_down_when_no_service_asks_for_it(run: EngineThere) -> None:
    text = run.config.read_text()
    run.config.write_text(text.replace('network = "outbound"', 'network = "private"'))
    wait_until(lambda: run.instance("web:a").get("network") == "private", "it is restarted")
    wait_until(lambda: not run.world.tables(), "the table is gone")
    assert not run.world.forwards("up0")
    run.config.write_text(
        text.replace("outbound_dns", 'outbound_allow = ["10.9.9.0/24"]\noutbound_dns')
    )
    wait_until(lambda: run.instance("web:a").get("network") == "outbound", "it is restarted")
    run.wait_state("web:a", "healthy")
    assert dial(run, "a", LAN) == f"reached hello {HOST}"
    run.config.write_text(text)
    wait_until(
        lambda: dial(run, "a", LAN).startswith("failed"), "it is forbidden without a restart"
    )


def test_engine_and_keeper_may_be_killed_at_any_moment(run: EngineThere) -> None:
    there, errors, over = run.world, [], threading.Event()

    def load() -> None:
        while not over.is_set():
            try:
                answer = dial(run, "a", OUTSIDE)
                if answer != f"reached hello {HOST}":
                    errors.append(answer)
            except OSError as error:
                errors.append(str(error))

    pids = {name: run.instance(name)["pid"] for name in ("web:a", "web:b")}
    thread = threading.Thread(target=load)
    thread.start()
    try:
        for _ in range(3):
            run.kill_engine()
            time.sleep(0.2)
    finally:
        over.set()
        thread.join()
    assert errors == []
    assert {name: run.instance(name)["pid"] for name in pids} == pids
    run.kill_keeper()
    run.start()
    run.wait_state("web:a", "healthy")
    assert {name: run.instance(name)["pid"] for name in pids} == pids
    assert dial(run, "b", OUTSIDE) == f"reached hello {HOST}"
    there.host.run("nft flush ruleset")
    wait_until(there.tables, "the next engine watches over it, too")
    assert dial(run, "b", HOST).startswith("failed [Errno 111]")


def test_an_engine_killed_while_it_makes_ways_loses_none(run: EngineThere) -> None:
    names = [f"web:n{number}" for number in range(8)]
    for delay in (0.0, 0.02, 0.05):
        threads = [threading.Thread(target=_spawn, args=(run, name)) for name in names]
        for each in threads:
            each.start()
        time.sleep(delay)
        run.kill_engine()
        for each in threads:
            each.join()
    for name in names:
        run.spawn(name)
        run.wait_state(name, "healthy", seconds=30)
    assert dial(run, "n7", OUTSIDE) == f"reached hello {HOST}"
    wait_until(lambda: len(run.world.interfaces()) == 10, "as many interfaces as instances")


def _spawn(run: EngineThere, name: str) -> None:
    with contextlib.suppress(OSError, json.JSONDecodeError, http.client.HTTPException):
        run.spawn(name)


def test_in_gvisor_too(there: World, tmp_path: Path) -> None:
    require_program("runsc")
    text = CONFIG.replace('network = "outbound"', 'network = "outbound"\nisolation = "sandbox"')
    run = EngineThere(tmp_path, text.replace('web = ["a", "b"]', 'web = ["a"]'), there)
    try:
        run.start()
        run.wait_state("web:a", "healthy", seconds=60)
        assert dial(run, "a", OUTSIDE) == f"reached hello {HOST}"
        for address in (HOST, LAN, METADATA, GATEWAY[:-1] + "1"):
            assert dial(run, "a", address).startswith("failed"), address
        assert run.visit("a.web", "/resolver")[1].splitlines()[0] == f"nameserver {LAN}"
    finally:
        run.end()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('outbound_range = "203.0.112.0/20"', "belongs to others"),
        ('outbound_range = "192.168.64.0/18"', "overlaps with this host's"),
    ],
)
def test_a_range_that_is_not_free_is_refused(
    there: World, tmp_path: Path, line: str, reason: str
) -> None:
    run = EngineThere(tmp_path, CONFIG.replace("[settings]", f"[settings]\n{line}"), there)
    done = subprocess.run(run.command(), capture_output=True, text=True, check=False, timeout=20)
    assert (done.returncode, reason in done.stderr) == (1, True), done.stderr
    assert "line 3" in done.stderr or ":3:" in done.stderr
    assert not run.data_dir.exists()
    assert there.tables() == []


def test_two_engines_share_a_host(run: EngineThere, tmp_path: Path) -> None:
    """They share the uplink and the range; the one that stays has its way when the other ends."""
    (tmp_path / "other").mkdir()
    other = EngineThere(tmp_path / "other", CONFIG, run.world)
    try:
        other.start()
        other.wait_state("web:a", "healthy")
        assert len(run.world.tables()) == 2
        inside = addresses_inside(other, "web:a")[-1].partition("/")[0]
        with serving_at(other.instance("web:a")["pid"]):
            assert dial(run, "a", inside).startswith("failed")
        assert run.stop() == 0
        wait_until(lambda: other.world.forwards("up0"), "it is opened again")
        assert dial(other, "a", OUTSIDE) == f"reached hello {HOST}"
        assert other.stop() == 0
        assert (other.world.tables(), other.world.forwards("up0")) == ([], False)
    finally:
        other.end()


@pytest.mark.shares_engine
def test_inspect_shows_network_and_address(standing: EngineThere) -> None:
    found = standing.get("/api/instances/web:a/inspect")
    (address,) = {each.partition("/")[0] for each in addresses_inside(standing, "web:a")} - {
        *("127.0.0.1", "::1"),
    }
    assert address in found["live"]["addresses"]
    (step,) = [each for each in found["steps"] if each["text"].startswith("netns ")]
    assert address in step["seen"]
    assert found["mismatches"] == []
