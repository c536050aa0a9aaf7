"""The keys of `[settings.tls]`, and what is wrong with them, in its place."""

import pytest

from engine.core.errors import SpecError
from engine.core.spec import CertificateFiles
from tests.configs import read


def test_certificates_are_of_the_files_folder() -> None:
    tls = read('[settings.tls]\ncertificates = [{ cert = "/c.pem", key = "/k" }]\n').settings.tls
    assert tls.certificates == (CertificateFiles(cert="/c.pem", key="/k"),)
    assert not tls.is_public


@pytest.mark.parametrize(
    ("text", "place", "reason"),
    [
        ('acme_email = "nobody"', (2, 14), "no mail address"),
        ("https_port = 0", (2, 14), "expected 1 or more"),
        ("http_port = 443", (2, 13), "are both 443"),
        ("internal = true\nstaging = true", (3, 11), "is a public CA's"),
        ("certificates = [1]", (2, 17), "expected a table"),
        ('certificates = [{ cert = "a" }]', (2, 17), "missing field `key`"),
    ],
)
def test_refused(text: str, place: tuple[int, int], reason: str) -> None:
    with pytest.raises(SpecError, match=reason) as caught:
        read(f"[settings.tls]\n{text}\n")
    assert (caught.value.line, caught.value.column) == place
