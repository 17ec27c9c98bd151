"""The file that names the routing domains of one address, and the settings that each domain's process gets.

::

    [domains.acme]
    config = "acme.toml"

    [domains.bolt]
    config = "bolt.toml"
    credentials = "bolt-credentials.toml"

A table takes every setting that a file of settings takes, but for those of the address itself; what it does not name is
as the options, environment and file of settings say for all.
"""

import re
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from server.config import Settings
from server.errors import StartError
from server.options import values_of

DOMAINS_MAX = 256
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\Z")
_OF_THE_ADDRESS = frozenset(
    {"host", "port", "metrics_host", "metrics_port", "data", "tls_cert", "tls_key", "workers", "node"}
)


class Domain(NamedTuple):
    """One routing domain.

    Attributes:
        name: a label as in the names of hosts: small letters, digits and hyphens.
        settings: of its process.
    """

    name: str
    settings: Settings


def read_site(path: Path, common: Settings) -> list[Domain]:
    """The domains of a file, in its order.

    Raises:
        StartError: something in it is wrong; it names the place.
    """
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise StartError(f"the domains {path} cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise StartError(f"the domains {path} cannot be read: {error}") from error
    tables = said.pop("domains", None)
    if said:
        raise StartError(f"{path}: there is no {next(iter(said))!r}; write a table [domains.NAME] for each domain")
    if not isinstance(tables, dict) or not tables:
        raise StartError(f"{path} names no domain; write a table [domains.NAME] for each")
    if len(tables) > DOMAINS_MAX:
        raise StartError(f"{path} names {len(tables)} domains; at most {DOMAINS_MAX} can be served by one address")
    return [_domain(f"{path}: domains.{name}", name, table, common) for name, table in tables.items()]


def _domain(place: str, name: str, table: Any, common: Settings) -> Domain:
    if not _NAME.match(name):
        raise StartError(f"{place}: a domain's name has 1..63 small letters, digits and hyphens, as a label of a host")
    if not isinstance(table, dict):
        raise StartError(f"{place} is a table: write [domains.{name}]")
    taken = _OF_THE_ADDRESS.intersection(table)
    if taken:
        raise StartError(f"{place}: {min(taken)!r} is of the address, not of a domain: give it for all")
    values, limits = values_of(table, place)
    return Domain(
        name,
        msgspec.structs.replace(
            common,
            **values,
            limits=msgspec.structs.replace(common.limits, **limits) if limits else common.limits,
            data=common.data / name,
            node=f"{common.node[: 63 - len(name)]}/{name}"[:64],
            workers=None,
            metrics_host="127.0.0.1",
            metrics_port=0,
        ),
    )


def encode(settings: Settings) -> bytes:
    """Settings, for another process."""
    return msgspec.json.encode(settings, enc_hook=str)


def decode(data: bytes) -> Settings:
    """What `encode` made."""
    return msgspec.json.decode(data, type=Settings, dec_hook=lambda kind, value: kind(value))


__all__ = ["DOMAINS_MAX", "Domain", "decode", "encode", "read_site"]
