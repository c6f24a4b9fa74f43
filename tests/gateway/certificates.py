"""Certificates for the tests: authorities, what they issue, and TLS contexts that use them."""

from __future__ import annotations

import datetime
import pathlib
import ssl
import tempfile
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

DAY = datetime.timedelta(days=1)


@dataclass(frozen=True)
class Issued:
    """A host's certificate with its key, and what lies between it and the authority."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    chain: tuple[x509.Certificate, ...]

    def pem_chain(self) -> bytes:
        return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in (self.certificate, *self.chain))

    def pem_key(self) -> bytes:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def server_context(self) -> ssl.SSLContext:
        """For a server that shows it."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "pem"
            path.write_bytes(self.pem_key() + self.pem_chain())
            context.load_cert_chain(path)
        return context


class Authority:
    """Issues certificates. An authority below another one is made by ``below``."""

    def __init__(self, name: str, parent: Authority | None = None, *, ca: bool = True) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self._parent = parent
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        issuer = parent or self
        extension = x509.BasicConstraints(ca=ca, path_length=None)
        self.certificate = _signed(issuer, self._name, self.key, [extension], valid=(-DAY, 30 * DAY))

    @property
    def name(self) -> x509.Name:
        return self._name

    def below(self, name: str, *, ca: bool = True) -> Authority:
        return Authority(name, self, ca=ca)

    def issue(
        self, *hosts: str, valid: tuple[datetime.timedelta, datetime.timedelta] = (-DAY, 7 * DAY), common_name: str = "host"
    ) -> Issued:
        """A certificate for the hosts, valid from and until so long from now. Without hosts, one with a common name alone."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)])
        names = [x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts])] if hosts else []
        chain: list[x509.Certificate] = []
        authority: Authority | None = self
        while authority is not None:
            chain.append(authority.certificate)
            authority = authority._parent
        return Issued(_signed(self, subject, key, names, valid=valid), key, tuple(chain))

    def client_context(self) -> ssl.SSLContext:
        """For a client that trusts this authority and no other."""
        context = ssl.create_default_context(cadata=self.certificate.public_bytes(Encoding.PEM).decode())
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        return context


def _signed(
    issuer: Authority,
    subject: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    extensions: list[x509.ExtensionType],
    *,
    valid: tuple[datetime.timedelta, datetime.timedelta],
) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + valid[0])
        .not_valid_after(now + valid[1])
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
    return builder.sign(issuer.key, SHA256())
