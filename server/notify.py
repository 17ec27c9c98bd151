"""What systemd is told of a server: when it is ready, what it does, that it still lives. Nothing without systemd.

The protocol is a datagram to the socket that NOTIFY_SOCKET names; see sd_notify(3).
"""

import asyncio
import os
import socket


def notify(*lines: str) -> None:
    """Tell systemd, as far as it listens. Each line is an assignment, such as `READY=1`."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as speaker:
            speaker.setblocking(False)
            speaker.sendto("\n".join(lines).encode(), address)
    except OSError:
        pass  # who does not listen is told nothing


async def feed_watchdog() -> None:
    """Say twice in each period that the event loop still turns, for ever; at once done if nobody wants to know."""
    wanted = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    period_us = os.environ.get("WATCHDOG_USEC", "")
    if not wanted or not period_us.isdecimal() or not int(period_us):
        return
    while True:
        notify("WATCHDOG=1")
        await asyncio.sleep(int(period_us) / 2e6)


def inherited_listener() -> socket.socket | None:
    """The socket that systemd listens on for us (socket activation), so that clients who connect while the server is
    restarted wait instead of being refused. None if there is none.
    """
    if os.environ.get("LISTEN_PID") != str(os.getpid()) or os.environ.get("LISTEN_FDS", "0") == "0":
        return None
    listener = socket.socket(fileno=3)
    listener.set_inheritable(False)
    listener.setblocking(False)
    return listener
