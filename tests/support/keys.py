"""Credentials and certificates for tests."""

import datetime as dt
import ssl
from pathlib import Path
from typing import Any

import msgspec
import trustme

from server.access import tokens


class Keyring:
    """A file of credentials that is written as a test adds to it.

    Attributes:
        path: of the file.
        tokens: by the name of the credential.
    """

    def __init__(self, directory: Path) -> None:
        self.path = directory / "credentials.toml"
        self.tokens: dict[str, str] = {}
        self._rows: dict[str, dict[str, Any]] = {}
        self._tenants: list[dict[str, Any]] = []
        self.write()

    def add(self, name: str, role: str, **fields: Any) -> str:
        """A credential with a token of its own, or with the `certificate` that is given; gives the token."""
        row = {"name": name, "role": role, "clients": [f"{name}*"], **fields}
        if "certificate" not in fields:
            self.tokens[name] = tokens.make(name)
            row["tokens"] = [tokens.hash_of(self.tokens[name])]
        self._rows[name] = row
        self.write()
        return self.tokens.get(name, "")

    def change(self, name: str, **fields: Any) -> None:
        """Other fields for a credential."""
        self._rows[name].update(fields)
        self.write()

    def remove(self, name: str) -> None:
        """Take a credential away."""
        del self._rows[name]
        self.write()

    def limit(self, tenant: str, **fields: Any) -> None:
        """What all credentials of a tenant may do."""
        self._tenants.append({"name": tenant, **fields})
        self.write()

    def write(self) -> None:
        """Write the file."""
        tables = [("credential", row) for row in self._rows.values()] + [("tenant", row) for row in self._tenants]
        self.path.write_text("\n".join(f"[[{noun}]]\n{_toml(row)}" for noun, row in tables), encoding="utf-8")


def _toml(row: dict[str, Any]) -> str:
    """Texts, numbers and lists of them look the same in TOML as in JSON; dates need no quotes."""
    return "".join(
        f"{key} = {value if isinstance(value, dt.date) else msgspec.json.encode(value).decode()}\n"
        for key, value in row.items()
    )


class Authority:
    """Makes certificates, and contexts that believe in them."""

    def __init__(self, directory: Path) -> None:
        self._ca = trustme.CA()
        self._directory = directory
        self.ca = directory / "ca.pem"
        self._ca.cert_pem.write_to_path(self.ca)

    def server(self, name: str = "server", *hosts: str) -> Path:
        """A certificate with key for 127.0.0.1 and other hosts, in one file."""
        return self._write(self._ca.issue_cert("127.0.0.1", "localhost", *hosts), f"{name}.pem")

    def client(self, name: str) -> Path:
        """A client's certificate with key, in one file."""
        return self._write(self._ca.issue_cert(f"{name}.example.org", common_name=name), f"{name}.pem")

    def _write(self, issued: trustme.LeafCert, name: str) -> Path:
        path = self._directory / name
        issued.private_key_and_cert_chain_pem.write_to_path(path)
        return path

    def context(self, certificate: Path | None = None) -> ssl.SSLContext:
        """What a client connects with."""
        context = ssl.create_default_context(cafile=self.ca)
        if certificate is not None:
            context.load_cert_chain(certificate)
        return context
