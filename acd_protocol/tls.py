"""TLS as a client speaks it: 1.3, with the certificate of the server verified."""

import ssl


class TlsFileError(Exception):
    """A file of certificates or keys cannot be used. `str()` is a sentence that names it."""


def client_context(ca: str | None = None, certificate: str | None = None, key: str | None = None) -> ssl.SSLContext:
    """What a `Client` connects with.

    Args:
        ca: PEM file with the authority of the server's certificate; None for those that the system knows.
        certificate: PEM file with a certificate to show to the server.
        key: PEM file with its key, if that is not in the same file.

    Raises:
        TlsFileError: a file cannot be used, or there is a key without a certificate.
    """
    if key and not certificate:
        raise TlsFileError("the key of a client is of no use without its certificate; give that too")
    place = ca
    try:
        context = ssl.create_default_context(cafile=ca or None)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        if certificate:
            place = certificate if not key else f"{certificate} with {key}"
            context.load_cert_chain(certificate, key or None)
    except OSError as error:  # those of TLS are such, too
        raise TlsFileError(f"{place} cannot be used for TLS: {error.strerror or error}; give PEM files") from error
    return context
