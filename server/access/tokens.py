"""Tokens: `NAME.SECRET`, where NAME is that of a credential and SECRET has 256 random bits.

Only a salted scrypt hash of a token is ever stored. Since the secrets are random, the hash need not be slow to be
safe; it costs some milliseconds, so that even a token that somebody made up by hand would not be guessed quickly.
"""

import base64
import hashlib
import hmac
import re
import secrets

SECRET_BYTES = 32
TOKEN_CHARACTERS_MAX = 256
_COST, _BLOCK, _PARALLEL = 4096, 8, 1
_COST_MAX = 1 << 20
"""A hash that asks for more would take seconds and gigabytes."""
_SALT_BYTES = 16
_HASH = re.compile(r"scrypt\$(\d{1,7})\$(\d{1,2})\$(\d{1,2})\$([A-Za-z0-9_-]{16,64})\$([A-Za-z0-9_-]{43})\Z")


def make(name: str) -> str:
    """A new token for the credential `name`."""
    return f"{name}.{secrets.token_urlsafe(SECRET_BYTES)}"


def name_in(token: str) -> str:
    """The name of the credential that a token is for; empty if it names none."""
    return token.rpartition(".")[0]


def hash_of(token: str) -> str:
    """What may be stored of a token."""
    salt = secrets.token_bytes(_SALT_BYTES)
    digest = _scrypt(token, salt, _COST, _BLOCK, _PARALLEL)
    return f"scrypt${_COST}${_BLOCK}${_PARALLEL}${_text(salt)}${_text(digest)}"


def matches(token: str, stored: str) -> bool:
    """Whether `stored` is the hash of `token`. Takes milliseconds; other threads can work meanwhile."""
    found = _HASH.match(stored)
    if found is None:
        return False
    cost, block, parallel = map(int, found.group(1, 2, 3))
    salt, digest = _bytes(found[4]), _bytes(found[5])
    return hmac.compare_digest(_scrypt(token, salt, cost, block, parallel), digest)


def readable(stored: str) -> bool:
    """Whether this is a hash that `matches` can work with, at a bearable price."""
    found = _HASH.match(stored)
    if found is None:
        return False
    cost, block, parallel = map(int, found.group(1, 2, 3))
    return 2 <= cost <= _COST_MAX and cost & (cost - 1) == 0 and 1 <= block <= 32 and 1 <= parallel <= 16


def _scrypt(token: str, salt: bytes, cost: int, block: int, parallel: int) -> bytes:
    memory = 128 * block * (cost + parallel + 2) + (1 << 20)
    return hashlib.scrypt(token.encode(), salt=salt, n=cost, r=block, p=parallel, maxmem=memory, dklen=32)


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
