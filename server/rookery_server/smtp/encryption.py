"""What the listeners' TLS is like."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from rookery_core.errors import InvalidArgument

if TYPE_CHECKING:
    import pathlib


def tls_context(certificate: pathlib.Path, key: pathlib.Path) -> ssl.SSLContext:
    """TLS 1.2 or newer with this certificate chain. InvalidArgument ``FIELD_INVALID`` if the files can not be read or do not fit.

    ``load_cert_chain`` on the context renews the certificate for connections from then on.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION  # a handshake costs the server more than the client
    try:
        context.load_cert_chain(certificate, key)
    except OSError as error:  # ssl.SSLError is one
        reason = error.strerror or str(error)
        raise InvalidArgument(
            "FIELD_INVALID", f"{certificate} and {key} are no certificate with its key: {reason}", field="tls_cert"
        ) from None
    return context
