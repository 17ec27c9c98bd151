"""`acd token`: make a token, and the credential that it belongs to."""

import argparse
import os
from pathlib import Path
from typing import get_args

import msgspec

from acd_protocol.cli import EXIT_USAGE, Command, add_json_option, fail, print_json
from acd_protocol.permissions import ROLE_WORDS, Role
from server.access import tokens
from server.errors import ServerError


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="of the credential: letters, digits, '_', '-' and '.'")
    parser.add_argument(
        "--role",
        choices=get_args(Role),
        help="what it may do; without it only a token and its hash are made, such as to replace another. "
        + "; ".join(f"{role}: {words}" for role, words in ROLE_WORDS.items()),
    )
    parser.add_argument(
        "--tenant", action="append", default=[], help="only for this tenant; may be given several times; all if not"
    )
    parser.add_argument(
        "--agent", action="append", default=[], help="whom the role 'agent' speaks for; may be given several times"
    )
    parser.add_argument(
        "--credentials", type=Path, metavar="FILE", help="append the credential to this file; else it is printed"
    )
    add_json_option(parser)


def _run(args: argparse.Namespace) -> int:
    if args.role is None and (args.tenant or args.agent or args.credentials):
        return fail("--tenant, --agent and --credentials make a credential, which needs --role", EXIT_USAGE)
    token = tokens.make(args.name)
    credential = _credential(args, tokens.hash_of(token))
    try:
        _check(credential, args.name)
        if args.credentials is not None:
            _append(args.credentials, credential)
    except ServerError as error:
        return fail(str(error), error.exit_status)
    except OSError as error:
        return fail(f"{args.credentials} cannot be written: {error.strerror}", EXIT_USAGE)
    if args.json:
        print_json({"token": token, "credential": credential})
    elif args.credentials is not None:
        print(token)
    else:
        print(f"token, for the client; it is shown this once:\n\n{token}\n")
        where = "for the server's file of credentials" if args.role else "for 'tokens' of the credential"
        print(f"{where}:\n\n{credential}", end="")
    return 0


def _credential(args: argparse.Namespace, stored: str) -> str:
    """The lines for the file."""
    if args.role is None:
        return f'"{stored}"\n'
    rows: dict[str, object] = {"name": args.name, "role": args.role}
    if args.tenant:
        rows["tenants"] = args.tenant
    if args.agent:
        rows["agents"] = args.agent
    rows["tokens"] = [stored]
    # A text or a list of texts looks the same in TOML as in JSON.
    return "[[credential]]\n" + "".join(
        f"{key} = {msgspec.json.encode(value).decode()}\n" for key, value in rows.items()
    )


def _check(credential: str, name: str) -> None:
    """Raise `StartError` for what a server would not take."""
    from server.access.credentials import parse

    text = credential if credential.startswith("[[") else f'[[credential]]\nname = "{name}"\nrole = "operator"\n'
    parse(text + ("" if text is credential else f"tokens = [{credential.strip()}]\n"), "the new credential")


def _append(path: Path, credential: str) -> None:
    """Add it to the file, which nobody else may read; the file as it would be must be right."""
    from server.access.credentials import parse

    try:
        before = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        before = ""
    gap = "\n" if before and not before.endswith("\n\n") else ""
    text = f"{before}{gap}{credential}"
    parse(text, str(path))
    draft = path.with_name(f"{path.name}.new")
    mode = path.stat().st_mode & 0o777 if before else 0o600
    with open(draft, "w", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, mode)) as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    if before:
        found = path.stat()
        try:
            os.chown(draft, found.st_uid, found.st_gid)
        except PermissionError:
            pass  # it was somebody else's; now it is ours, who may write in its directory
    draft.replace(path)


COMMAND = Command(
    name="token",
    summary="make a token for a client, and the credential that the server knows it by",
    example="acd token pbx-1 --role adapter --credentials /etc/acd/credentials.toml\n"
    "acd token maria --role supervisor --tenant acme\n"
    "acd token pbx-1",
    add_arguments=_add_arguments,
    run=_run,
)
