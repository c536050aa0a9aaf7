"""Who is believed to ask: by the networks of trusted proxies."""

import time

import pytest

from engine.core.proxies import CHAIN_LIMIT, Said, TrustedProxies, read_network

TRUSTED = TrustedProxies(["127.0.0.1/32", "10.0.0.0/8", "2001:db8::/32"])
PEER = b"127.0.0.1"


def believe(*fields, peer=PEER, host=b"a.b"):
    return TRUSTED.believe(peer, host, fields)


def forwarded_for(text):
    return (b"x-forwarded-for", text)


@pytest.mark.parametrize(
    ("text", "chain"),
    [
        (b"1.2.3.4", (b"1.2.3.4",)),
        (b"1.2.3.4:567", (b"1.2.3.4",)),
        (b"2a00::1", (b"2a00::1",)),
        (b"[2a00::1]:80", (b"2a00::1",)),
        (b"::ffff:1.2.3.4", ()),
        (b"[::ffff:1.2.3.4]", (b"1.2.3.4",)),
        (b"1.2.3.4, 10.0.0.1", (b"1.2.3.4", b"10.0.0.1")),
        (b"6.6.6.6, 1.2.3.4, 10.0.0.1", (b"1.2.3.4", b"10.0.0.1")),
        (b"6.6.6.6, 1.2.3.4", (b"1.2.3.4",)),
        (b"10.0.0.2,10.0.0.1", (b"10.0.0.2", b"10.0.0.1")),
        (b"6.6.6.6, nonsense, 10.0.0.1", (b"10.0.0.1",)),
        (b"6.6.6.6, unknown", ()),
        (b"1.2.3.4%eth0", ()),
        (b"1.2.3.999", ()),
        (b"1.2.3.4\r\nX: y", ()),
        (b"", ()),
        (b", ,", ()),
        (b"\xff", ()),
    ],
)
def test_a_chain_is_followed_as_far_as_proxies_vouch_for_it(text, chain):
    said = believe(forwarded_for(text))
    assert said.chain == (*chain, PEER)
    assert said.client == (*chain, PEER)[0]


def test_several_lines_are_one_list():
    said = believe(forwarded_for(b"1.2.3.4"), forwarded_for(b"10.0.0.1"))
    assert said.chain == (b"1.2.3.4", b"10.0.0.1", PEER)


def test_a_chain_nobody_built_is_cut():
    said = believe(forwarded_for(b", ".join([b"10.0.0.1"] * 1000)))
    assert len(said.chain) == CHAIN_LIMIT + 1


@pytest.mark.parametrize("peer", [b"1.2.3.4", b"unknown", b"11.0.0.1", b"::1", b""])
def test_nobody_else_is_believed(peer):
    fields = (
        forwarded_for(b"6.6.6.6"),
        (b"x-forwarded-proto", b"https"),
        (b"x-forwarded-host", b"evil"),
        (b"forwarded", b"for=6.6.6.6"),
    )
    assert believe(*fields, peer=peer) == Said(chain=(peer,), host=b"a.b")


@pytest.mark.parametrize(
    ("text", "scheme"),
    [(b"https", b"https"), (b"HTTPS", b"https"), (b"http", b"http"), (b"ftp", b"http")],
)
def test_scheme(text, scheme):
    assert believe((b"x-forwarded-proto", text)).scheme == scheme


@pytest.mark.parametrize(
    ("text", "host"),
    [
        (b"x.y:8", b"x.y:8"),
        (b"x y", b"a.b"),
        (b"", b"a.b"),
        (b"x\r\nY: z", b"a.b"),
        (b"x\xff", b"a.b"),
    ],
)
def test_host(text, host):
    assert believe((b"x-forwarded-host", text)).host == host


def test_names_with_underscores_are_no_names_of_ours():
    assert believe((b"x_forwarded_for", b"6.6.6.6")).chain == (PEER,)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"for=1.2.3.4", ((b"1.2.3.4", PEER), b"http", b"a.b")),
        (
            b'For="[2a00::1]:80";Proto=https;Host="x:1";by=_me',
            ((b"2a00::1", PEER), b"https", b"x:1"),
        ),
        (
            b"for=6.6.6.6;host=evil, for=1.2.3.4;proto=https, for=10.0.0.1;host=inner",
            ((b"1.2.3.4", b"10.0.0.1", PEER), b"https", b"a.b"),
        ),
        (b'for="1.2.3.4', ((PEER,), b"http", b"a.b")),
        (b"for", ((PEER,), b"http", b"a.b")),
        (b"for=_hidden;proto=https", ((PEER,), b"http", b"a.b")),
        (b'for="1.2.3.4, for=5.6.7.8"', ((PEER,), b"http", b"a.b")),
    ],
)
def test_forwarded_where_there_is_no_x_forwarded_for(text, said):
    found = believe((b"forwarded", text))
    assert (found.chain, found.scheme, found.host) == said


def test_x_forwarded_for_goes_before_forwarded():
    assert believe(forwarded_for(b"1.2.3.4"), (b"forwarded", b"for=5.6.7.8")).client == b"1.2.3.4"


@pytest.mark.parametrize(
    "field",
    [
        (b"forwarded", b"," * 60000),
        (b"forwarded", b'for="",' * 8000),
        (b"forwarded", b"for=1.2.3.4;" * 5000),
        (b"x-forwarded-for", b":" * 60000),
        (b"x-forwarded-for", b"1.2.3.4, " * 6000),
    ],
)
def test_long_values_take_no_long_time(field):
    began = time.process_time()
    believe(field)
    assert time.process_time() - began < 0.5


def test_lines():
    assert Said(chain=(b"1.2.3.4", b"::1"), scheme=b"https", host=b"a.b:80").lines() == (
        b"X-Forwarded-For: 1.2.3.4, ::1\r\n"
        b"X-Forwarded-Proto: https\r\n"
        b"X-Forwarded-Host: a.b:80\r\n"
        b'Forwarded: for=1.2.3.4;host="a.b:80";proto=https, for="[::1]"\r\n'
    )
    assert b"ost" not in Said(chain=(b"::1",)).lines()


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("127.0.0.1", "127.0.0.1/32"),
        ("::1", "::1/128"),
        ("10.0.0.0/255.0.0.0", "10.0.0.0/8"),
    ],
)
def test_a_network(text, network):
    assert read_network(text) == network


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("10.0.0.1/8", "10.0.0.0/8 may be meant"),
        ("proxy.example.com", "not an IP address"),
        ("10.0.0.0/33", "not an IP address"),
        ("", "not an IP address"),
    ],
)
def test_no_network(text, reason):
    with pytest.raises(ValueError, match=reason):
        read_network(text)
