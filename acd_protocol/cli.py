"""What the commands of `acd` share: their declaration, the connection options, printing, and one-sentence errors.

A command is a module that exports `COMMAND`. Exit status: 0 fine, 1 the thing asked for failed or was refused,
2 wrong usage or environment. Errors go to stderr as one sentence that says what to do.
"""

import argparse
import asyncio
import errno
import os
import socket
import ssl
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from acd_protocol.messages import DEFAULT_PORT
from acd_protocol.tls import TlsFileError, client_context

if TYPE_CHECKING:
    from acd_protocol.client import Client

DEFAULT_HOST = "127.0.0.1"
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Command:
    """One command of `acd`.

    Attributes:
        name: the word after `acd`.
        summary: one line for `acd --help`.
        example: one or more command lines, shown below the options.
        add_arguments: adds the options to the command's own parser.
        run: does it; gives the exit status.
    """

    name: str
    summary: str
    example: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]

    def add_to(self, subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> argparse.ArgumentParser:
        """Give the command its parser; the parsed arguments have this command's `run` as `args.run`."""
        indented = "\n".join(f"  {line}" for line in self.example.strip().splitlines())
        parser = subparsers.add_parser(
            self.name,
            help=self.summary,
            description=self.summary,
            epilog=f"example:\n{indented}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        self.add_arguments(parser)
        parser.set_defaults(run=self.run)
        return parser


def port_number(text: str) -> int:
    """A TCP port, for argparse: 0..65535."""
    port = int(text)
    if not 0 <= port <= 65_535:
        raise argparse.ArgumentTypeError(f"{text} is no port; it must be 0..65535")
    return port


port_number.__name__ = "port"  # argparse says "invalid port value"


def add_json_option(parser: argparse.ArgumentParser) -> None:
    """`--json`, which every command has."""
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")


class OptionError(Exception):
    """What an option or variable names cannot be used. `str()` is a sentence for who gave it; exit status 2."""


def add_connection_options(parser: argparse.ArgumentParser) -> None:
    """Where the server is, what to show it, whether to speak TLS; and `--json`. Each has a variable too."""
    environment = os.environ
    parser.add_argument(
        "--host",
        default=environment.get("ACD_HOST") or DEFAULT_HOST,
        help="where the server is (ACD_HOST, else %(default)s)",
    )
    parser.add_argument(
        "--port",
        type=port_number,
        default=environment.get("ACD_PORT") or DEFAULT_PORT,
        help=f"its port (ACD_PORT, else {DEFAULT_PORT})",
    )
    parser.add_argument(
        "--domain",
        default=environment.get("ACD_DOMAIN") or "",
        help="routing domain that is meant, where one address serves several (ACD_DOMAIN)",
    )
    parser.add_argument(
        "--token",
        default=environment.get("ACD_TOKEN") or "",
        help="what the server wants to see; better given as ACD_TOKEN, because other users can see options",
    )
    add_security_options(parser)
    add_json_option(parser)


def add_security_options(parser: argparse.ArgumentParser) -> None:
    """`--token-file` and those of TLS, for `token_of` and `tls_of`."""
    environment = os.environ
    parser.add_argument(
        "--token-file", metavar="FILE", default=environment.get("ACD_TOKEN_FILE"), help="file with it (ACD_TOKEN_FILE)"
    )
    parser.add_argument(
        "--tls",
        action="store_true",
        default=environment.get("ACD_TLS", "") not in {"", "0"},
        help="speak TLS; so do all of the next four (ACD_TLS=1)",
    )
    for name, text in (
        ("tls-ca", "PEM file with the authority of the server's certificate, if the system does not know it"),
        ("tls-name", "name in the server's certificate, if it is not that of --host"),
        ("client-cert", "PEM file with a certificate to show to the server"),
        ("client-key", "PEM file with its key, if not in the same file"),
    ):
        variable = f"ACD_{name.replace('-', '_').upper()}"
        metavar = "NAME" if name == "tls-name" else "FILE"
        parser.add_argument(
            f"--{name}", metavar=metavar, default=environment.get(variable), help=f"{text} ({variable})"
        )


def print_json(value: Any) -> None:
    """Print `value`, a Struct or plain data, as one line of JSON."""
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")
    sys.stdout.flush()


def fail(sentence: str, status: int = EXIT_FAILED) -> int:
    """Print one sentence to stderr. Gives the exit status, for a command to return."""
    sys.stderr.write(f"acd: {sentence}\n")
    return status


def connect_sentence(host: str, port: int, error: BaseException | None) -> str:
    """Why a server cannot be reached, and what to do."""
    place = f"{host}:{port}"
    if isinstance(error, ConnectionRefusedError):
        return f"no server answers at {place}; start one with 'acd serve', or give --port"
    if isinstance(error, socket.gaierror):
        return f"the host name {host!r} is not known; correct --host"
    if isinstance(error, ssl.SSLCertVerificationError):
        why = error.verify_message
        return f"the certificate of {place} is not believed: {why}; give its authority with --tls-ca, its name with --tls-name"
    if isinstance(error, ssl.SSLError):
        reason = (error.reason or str(error)).lower().replace("_", " ")
        return f"no TLS with {place} ({reason}); leave --tls out if it speaks none, or check --client-cert"
    if isinstance(error, TimeoutError):
        return f"{place} does not answer in time; check --host and --port, and whether the server is stuck"
    if isinstance(error, OSError) and error.strerror:
        return f"cannot connect to {place}: {error.strerror}; check --host and --port"
    return f"no ACD server answers at {place}: {error}; check --host and --port, and whether it wants --tls"


def listen_sentence(host: str, port: int, error: OSError, option: str = "--port") -> str:
    """Why a port cannot be listened on, and what to do. `option` is the one that gives this port."""
    variable = f"ACD_{option.lstrip('-').replace('-', '_').upper()}"
    if error.errno == errno.EADDRINUSE:
        return f"port {port} of {host} is taken; give another with {option} or {variable}, or 0 for any free one"
    if error.errno == errno.EACCES:
        return f"port {port} may not be used without more rights; give one above 1023 with {option} or {variable}"
    if error.errno == errno.EADDRNOTAVAIL or isinstance(error, socket.gaierror):
        option, variable = (text.replace("port", "host").replace("PORT", "HOST") for text in (option, variable))
        return f"this machine has no address {host!r}; give one of its own with {option} or {variable}"
    return f"cannot listen on {host}:{port}: {error.strerror or error}; give another with {option} or {variable}"


def client_for(args: argparse.Namespace, name: str, **options: Any) -> "Client":
    """A client as the connection options say, not connected yet; `options` are others of `Client`.

    Raises:
        OptionError: a file that they name cannot be used.
    """
    from acd_protocol.client import Client

    return Client(
        args.host,
        args.port,
        name=name,
        token=token_of(args),
        domain=args.domain,
        tls=tls_of(args),
        tls_name=args.tls_name or None,
        **options,
    )


def token_of(said: Any) -> str:
    """The token that options or settings of these names give, out of its file if need be. Raises `OptionError`."""
    if said.token or not said.token_file:
        return str(said.token or "")
    try:
        with open(said.token_file, encoding="utf-8") as file:
            token = file.read(1024).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise OptionError(f"the token file {said.token_file} cannot be read: {error}") from error
    if not token:
        raise OptionError(f"the token file {said.token_file} is empty; put a token into it")
    return token


def tls_of(said: Any) -> ssl.SSLContext | None:
    """What options or settings of these names say to connect with; None for plain TCP. Raises `OptionError`."""
    if not (said.tls or said.tls_ca or said.tls_name or said.client_cert or said.client_key):
        return None
    try:
        return client_context(said.tls_ca, said.client_cert, said.client_key)
    except TlsFileError as error:
        raise OptionError(str(error)) from error


def run_with_client(args: argparse.Namespace, action: Callable[["Client"], Awaitable[int]]) -> int:
    """Connect as the options say, carry `action` out, close; gives its exit status.

    A refusal, or a server that cannot be reached or goes away, becomes a sentence on stderr. One attempt is made to
    connect; a connection that breaks later is made again for up to ten seconds.
    """
    from acd_protocol.client import ClientError, ConnectionLost

    async def session() -> int:
        name = f"acd-{socket.gethostname()[:32]}-{os.getpid()}"
        client = client_for(args, name, connect_deadline_s=0, reconnect_deadline_s=10, events_max=0)
        async with client:
            return await action(client)

    try:
        return asyncio.run(session())
    except ConnectionLost as lost:
        return fail(connect_sentence(args.host, args.port, lost.__cause__ or lost), EXIT_USAGE)
    except ClientError as refused:
        return fail(str(refused))
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
