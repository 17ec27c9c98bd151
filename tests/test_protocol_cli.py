import argparse
import asyncio
import errno
import json
import re
import socket
import ssl
from pathlib import Path

import pytest
from msgspec import Struct

from acd_protocol import Client, cli
from acd_protocol.cli import (
    Command,
    OptionError,
    add_connection_options,
    connect_sentence,
    fail,
    listen_sentence,
    print_json,
    tls_of,
    token_of,
)
from acd_protocol.cli import run_with_client as run
from acd_protocol.messages import DEFAULT_PORT


def options(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_connection_options(parser)
    return parser.parse_args(arguments)


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ACD_HOST", "ACD_PORT", "ACD_TOKEN"):
        monkeypatch.delenv(name, raising=False)


def test_defaults_come_from_the_environment_and_options_win(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = options()
    assert (plain.host, plain.port, plain.token, plain.json) == ("127.0.0.1", DEFAULT_PORT, "", False)
    monkeypatch.setenv("ACD_HOST", "acd.example")
    monkeypatch.setenv("ACD_PORT", "7500")
    monkeypatch.setenv("ACD_TOKEN", "secret")
    told = options()
    assert (told.host, told.port, told.token) == ("acd.example", 7500, "secret")
    assert options("--port", "7600").port == 7600


@pytest.mark.parametrize("port", ["-1", "65536", "seven", ""])
def test_what_is_no_port_is_a_wrong_usage(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        options("--port", port)
    assert caught.value.code == 2
    assert "--port" in capsys.readouterr().err


def test_a_wrong_port_in_the_environment_is_told_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ACD_PORT", "seven")
    with pytest.raises(SystemExit):
        options()
    assert "invalid port value: 'seven'" in capsys.readouterr().err


def test_a_command_shows_its_example_and_runs(capsys: pytest.CaptureFixture[str]) -> None:
    command = Command("greet", "say hello", "acd greet Ana", lambda parser: None, lambda args: 7)
    parser = argparse.ArgumentParser(prog="acd")
    command.add_to(parser.add_subparsers())
    args = parser.parse_args(["greet"])
    assert args.run(args) == 7
    with pytest.raises(SystemExit):
        parser.parse_args(["greet", "--help"])
    shown = capsys.readouterr().out
    assert "say hello" in shown
    assert "example:\n  acd greet Ana" in shown


def test_json_and_failures_are_one_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    class Row(Struct):
        queue: str
        waiting: int

    print_json([Row("soporte", 3), {"ñ": None}])
    assert fail("it is so; do this") == 1
    assert fail("it is so; do this", 2) == 2
    captured = capsys.readouterr()
    assert json.loads(captured.out) == [{"queue": "soporte", "waiting": 3}, {"ñ": None}]
    assert captured.err == "acd: it is so; do this\n" * 2


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (ConnectionRefusedError(), "no server answers at h:7410; start one with 'acd serve', or give --port"),
        (socket.gaierror(socket.EAI_NONAME, "unknown"), "the host name 'h' is not known; correct --host"),
        (TimeoutError(), "does not answer in time"),
        (OSError(errno.ENETUNREACH, "Network is unreachable"), "cannot connect to h:7410: Network is unreachable"),
        (ValueError("no welcome"), "no ACD server answers at h:7410: no welcome"),
    ],
)
def test_why_a_server_cannot_be_reached_is_said(error: Exception, sentence: str) -> None:
    assert sentence in connect_sentence("h", 7410, error)


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (errno.EADDRINUSE, "port 7411 of h is taken; give another with --metrics-port or ACD_METRICS_PORT"),
        (errno.EACCES, "port 7411 may not be used without more rights"),
        (
            errno.EADDRNOTAVAIL,
            "this machine has no address 'h'; give one of its own with --metrics-host or ACD_METRICS_HOST",
        ),
        (errno.EMFILE, "cannot listen on h:7411: too many"),
    ],
)
def test_why_a_port_cannot_be_listened_on_is_said(number: int, sentence: str) -> None:
    assert sentence in listen_sentence("h", 7411, OSError(number, "too many"), "--metrics-port")


def test_no_server_is_one_sentence_and_a_wrong_environment(
    unused_tcp_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    async def never(client: Client) -> int:
        raise AssertionError("there is no server")

    assert run(options("--port", str(unused_tcp_port)), never) == cli.EXIT_USAGE
    complaint = capsys.readouterr().err
    assert complaint == (
        f"acd: no server answers at 127.0.0.1:{unused_tcp_port}; start one with 'acd serve', or give --port\n"
    )


async def test_a_refusal_is_one_sentence_and_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    from acd_core.refusals import Outcome
    from tests.support.fake_server import fake_server

    async def enqueue(client: Client) -> int:
        await client.enqueue("c-1", "acme", "nowhere")
        return 0

    async with fake_server() as server:
        arguments = options("--port", str(server.port))
        assert await asyncio.to_thread(run, arguments, enqueue) == 0
        server.deny = Outcome.QUEUE_UNKNOWN
        assert await asyncio.to_thread(run, arguments, enqueue) == cli.EXIT_FAILED
    assert "this tenant has no such queue" in capsys.readouterr().err


def test_a_token_comes_out_of_a_file_and_what_cannot_be_used_is_named(tmp_path: Path) -> None:
    parser = argparse.ArgumentParser()
    add_connection_options(parser)
    token = tmp_path / "token"
    token.write_text(" pbx-1.secret\n")
    assert token_of(parser.parse_args(["--token-file", str(token)])) == "pbx-1.secret"
    assert token_of(parser.parse_args(["--token-file", str(token), "--token", "other"])) == "other"
    token.write_text("")
    for wrong in (str(token), str(tmp_path / "none")):
        with pytest.raises(OptionError, match=re.escape(wrong)):
            token_of(parser.parse_args(["--token-file", wrong]))
    assert tls_of(parser.parse_args([])) is None
    made = tls_of(parser.parse_args(["--tls"]))
    assert made is not None
    assert made.minimum_version is ssl.TLSVersion.TLSv1_3
    assert made.verify_mode is ssl.CERT_REQUIRED
    for options in (["--tls-ca", str(tmp_path / "none")], ["--client-cert", str(token)], ["--client-key", str(token)]):
        with pytest.raises(OptionError):
            tls_of(parser.parse_args(options))
