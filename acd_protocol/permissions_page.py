"""Writes the page of permissions from their table: `python -m acd_protocol.permissions_page docs/permissions.md`."""

import sys
from pathlib import Path

from acd_protocol.cli import EXIT_USAGE, fail
from acd_protocol.permissions import PERMISSIONS, ROLE_WORDS, ROLES, WALL_WORDS, verb

_HEAD = """\
<!-- Written by 'make docs' from acd_protocol/permissions.py. Change that, not this page. -->

# Who may do what

A server without credentials lets everybody on its own machine do everything. With [credentials](security.md) each
connection has a role, and may have a *wall*: the tenants that it is for, or for an agent's desktop the agents that it
speaks for. Behind a wall, what belongs to others does not exist: naming it is answered as if it were not there, lists
and explanations leave it out, and its events are not sent. Of agents who serve others too it is seen what they do, and
not for whom; only who has no wall may change what they do.

`tests/test_permissions.py` tries every verb for every role on both sides of a wall.

## Roles

"""

_MATRIX = """
## Verbs

✓ may send it. *Held to the wall by* says what is looked at when the credential has one.

"""

_TAIL = """
**Told** marks what the [audit trail](security.md#the-audit-trail) tells whoever does it. Of supervisors, tenant admins
and operators with a credential of their own it tells every command.

`/metrics` may be read by the roles that may send `stats`; behind a wall it holds the metrics of one's own queues.

## What a wall cannot hide

- Numbers: `seq`, offer ids and positions in the order of events count those of everybody, so how much goes on
  elsewhere can be guessed.
- Ids of contacts are unique in the whole routing domain: an id that another client uses is answered with
  `contact_exists`. Put your client's name in front of yours.
- An agent who serves several companies is seen to be busy, and a contact that waits for him is told that it is
  *at least* so far from its turn.
"""


def page() -> str:
    """The whole page."""
    roles = "".join(f"- `{role}`: {ROLE_WORDS[role]}\n" for role in ROLES)
    lines = [
        f"| verb | {' | '.join(role.replace('_', ' ') for role in ROLES)} | held to the wall by | told |",
        f"|---|{':-:|' * len(ROLES)}---|:-:|",
    ]
    for kind, permission in PERMISSIONS.items():
        marks = " | ".join("✓" if role in permission.roles else "" for role in ROLES)
        told = "✓" if permission.audited else ""
        lines.append(f"| `{verb(kind)}` | {marks} | {WALL_WORDS[permission.wall]} | {told} |")
    return _HEAD + roles + _MATRIX + "\n".join(lines) + "\n" + _TAIL


def main(arguments: list[str]) -> int:
    """Write the page."""
    if len(arguments) != 1:
        return fail("give the path of the page, such as docs/permissions.md", EXIT_USAGE)
    Path(arguments[0]).write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
