"""Certificates for tests, by openssl: signed by themselves, each for the names it is given."""

import ssl
import subprocess
from pathlib import Path

from tests.require import require_program


def make_certificate(folder: Path, name: str, *hosts: str) -> tuple[Path, Path]:
    """Write NAME.pem and NAME.key."""
    cert, key = folder / f"{name}.pem", folder / f"{name}.key"
    names = ",".join(f"DNS:{host}" for host in hosts)
    command = [require_program("openssl"), "req", "-x509", "-newkey", "ec", "-nodes", "-days", "2"]
    command += ["-pkeyopt", "ec_paramgen_curve:prime256v1", "-subj", f"/CN={name}"]
    command += ["-addext", f"subjectAltName={names}", "-keyout", str(key), "-out", str(cert)]
    subprocess.run(command, check=True, capture_output=True)
    return cert, key


def der_of(cert: Path) -> bytes:
    return ssl.PEM_cert_to_DER_cert(cert.read_text())
