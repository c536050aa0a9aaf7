"""Domains of services and instances."""

import pytest

from tests.configs import API, read, refused

WEB = '[service.web]\ncommand = "./web"\n'


def test_domains_of_a_service_and_of_an_instance() -> None:
    config = read(
        API
        + 'domains = ["App.Example.com.", "*.shop.example.com"]\n'
        + '[service.api.instance.alice]\ndomains = ["alice.example.com"]\n'
        + WEB
    )
    assert config.services["api"].domains == {
        "app.example.com": "api",
        "*.shop.example.com": "api",
        "alice.example.com": "api:alice",
    }
    assert config.services["web"].domains == {}
    assert config.warnings == ()


@pytest.mark.parametrize(
    ("domain", "reason", "hint"),
    [
        ("", "labels are", ""),
        ("localhost", "one label only", "app.example.com"),
        ("*.com", "one label only", ""),
        ("*", "first label only", "*.example.com"),
        ("a.*.com", "first label only", ""),
        ("*a.example.com", "first label only", ""),
        ("app.example.com:80", "more than a name", "the name alone"),
        ("https://app.example.com", "more than a name", ""),
        ("app.example.com/x", "more than a name", ""),
        ("10.0.0.1", "is an address", "routing"),
        ("bücher.example", "beyond ASCII", "xn--bcher-kva.example"),
        ("a..b", "labels are", ""),
        (".example.com", "labels are", ""),
        ("-a.example.com", "labels are", ""),
        ("a b.example.com", "labels are", ""),
        ("a_b.example.com", "labels are", ""),
        ("a" * 64 + ".example.com", "labels are", ""),
        ("a." * 127 + "aa", "labels are", ""),
    ],
)
def test_no_domain(domain: str, reason: str, hint: str) -> None:
    error = refused(API + f'domains = ["ok.example.com", "{domain}"]\n')
    assert reason in str(error)
    assert hint in error.hint
    assert (error.line, error.column, error.key) == (3, 30, "service.api.domains[1]")


@pytest.mark.parametrize(
    "other",
    [
        WEB + 'domains = ["x.example.com", "APP.example.com"]\n',
        '[service.api.instance.alice]\ndomains = ["y.example.com", "app.example.com."]\n',
    ],
)
def test_nobody_gets_what_another_has(other: str) -> None:
    error = refused(API + 'domains = ["app.example.com"]\n' + other)
    assert "app.example.com is a domain of api already: line 3" in str(error)
    assert error.line == len((API + 'domains = ["app.example.com"]\n' + other).splitlines())


def test_twice_in_one_list() -> None:
    error = refused(API + 'domains = ["app.example.com", "app.example.com"]\n')
    assert (error.line, error.column) == (3, 31)


def test_a_table_of_no_instance() -> None:
    error = refused(API + '[service.api.instance."a/b"]\ndomains = []\n')
    assert "invalid id" in str(error)
    assert error.line == 3


def test_unknown_keys_of_an_instance_are_warned_about() -> None:
    config = read(API + "[service.api.instance.alice]\ndomain = 1\n")
    assert "domains" in config.warnings[0]


def test_rules_that_match_nothing_are_warned_about() -> None:
    config = read(API + '[routing]\ndefault = "api:alice"\n[routing.path]\ndocs = "api"\n')
    assert config.warnings == ("line 6: routing.path.docs matches nothing: paths begin with /",)
