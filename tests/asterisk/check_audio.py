"""Who hears whom: each says a tone of his own, and what he hears in the end is looked through for the others'."""

import asyncio
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from acd_pbx.asterisk import names
from tests.asterisk import sipp
from tests.asterisk.check_callbacks import Customer
from tests.asterisk.rig import Rig, until_slow

CALLER, AGENT, SUPERVISOR = 600, 800, 1000
COLLEAGUE = 1000
MUSIC = 425
RINGING = 440
TONES = (CALLER, AGENT, SUPERVISOR, MUSIC, RINGING)
RATE = 8000
LEAST = 20_000
"""A hundredth of a tone; less is noise."""


def heard(path: Path) -> set[int]:
    """The tones in the second before the last half one."""
    with wave.open(str(path)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype=np.int16)
    part = samples[-3 * RATE // 2 : -RATE // 2]
    assert len(part) == RATE, f"{path.name} has only {len(samples)} samples"
    return tones_in(part)


def tones_in(second: Any) -> set[int]:
    """The tones that can be heard in a second's samples: those with a tenth of the strength of the loudest.

    One that begins or ends within the second is broad: what is only the slope of a neighbour is none.
    """
    strength = np.abs(np.fft.rfft(second * np.hanning(RATE)))
    least = max(LEAST, strength.max() / 10)
    found = {tone: strength[tone - 3 : tone + 4].max() for tone in TONES}
    return {tone for tone in TONES if found[tone] > least and found[tone] >= strength[tone - 15 : tone + 16].max()}


@pytest.mark.parametrize(
    ("mode", "caller", "agent", "supervisor"),
    [
        ("*51", {AGENT}, {CALLER}, {CALLER, AGENT}),
        ("*52", {AGENT}, {CALLER, SUPERVISOR}, {CALLER, AGENT}),
        ("*53", {AGENT, SUPERVISOR}, {CALLER, SUPERVISOR}, {CALLER, AGENT}),
        ("", {AGENT}, {CALLER}, set()),
    ],
)
async def test_who_hears_whom(rig: Rig, mode: str, caller: set[int], agent: set[int], supervisor: set[int]) -> None:
    await rig.start()
    assert rig.watcher is not None
    rig.lab.originate("caller", f"Local/{CALLER}@tones/n", "acd-numbers", "2000")
    await rig.sees("contact.queued")
    await rig.watcher.login("a-1", address=f"Local/{AGENT}@tones/n", ready=True)
    await rig.sees("contact.connected")
    await until_slow(lambda: [bridge for bridge in rig.lab.bridges() if len(bridge["channels"]) == 2], 10)
    if mode:
        rig.lab.originate("supervisor", f"Local/{SUPERVISOR}@tones/n", "acd-features", f"{mode}a-1")
        together = {"*51": [2, 2], "*52": [2, 2], "*53": [3]}[mode]
        await until_slow(lambda: sorted(len(bridge["channels"]) for bridge in rig.lab.bridges()) == together, 10)
    hears = {CALLER: caller, AGENT: agent} | ({SUPERVISOR: supervisor} if mode else {})
    await listen_and_end(rig, hears)


async def listen_and_end(rig: Rig, hears: dict[int, set[int]]) -> None:
    """Each says his tone and hears just those of `hears`, for three seconds; then the caller hangs up."""
    monitor = rig.lab.base / "spool/monitor"

    def seconds(tone: int) -> float:
        file = monitor / f"{tone:02d}-hears.wav"
        return file.stat().st_size / 2 / RATE if file.exists() else 0.0

    before = {tone: seconds(tone) for tone in hears}
    await until_slow(lambda: all(seconds(tone) > before[tone] + 3 for tone in hears), 20)
    rig.lab.hang_up("caller")
    await rig.sees("contact.ended", reason="completed_caller")
    await rig.quiet()
    try:
        assert {tone: heard(monitor / f"{tone:02d}-hears.wav") for tone in hears} == hears
    finally:
        for file in monitor.glob("*.wav"):
            file.unlink()


@pytest.mark.parametrize(
    ("state", "caller", "agent", "colleague"),
    [
        ("aside", {MUSIC}, {COLLEAGUE}, {AGENT}),
        ("conference", {AGENT, COLLEAGUE}, {CALLER, COLLEAGUE}, {CALLER, AGENT}),
        ("returned", {AGENT}, {CALLER}, None),
        ("handed over", {COLLEAGUE}, None, {CALLER}),
        ("held", {MUSIC}, set(), None),
        ("resumed", {AGENT}, {CALLER}, None),
    ],
)
async def test_who_hears_whom_while_a_colleague_is_asked(
    rig: Rig, state: str, caller: set[int], agent: set[int] | None, colleague: set[int] | None
) -> None:
    await rig.start(agents=2)
    desk = rig.watcher
    assert desk is not None
    tone = 0 if caller == {MUSIC} else CALLER  # see the lab's context
    rig.lab.originate("caller", f"Local/{tone:02d}@tones/n", "acd-numbers", "2000")
    await rig.sees("contact.queued")
    await desk.login("a-1", address=f"Local/{AGENT}@tones/n", ready=True)
    contact = (await rig.sees("contact.connected")).contact
    await until_slow(lambda: [bridge for bridge in rig.lab.bridges() if len(bridge["channels"]) == 2], 10)
    if state in ("held", "resumed"):
        await desk.hold(contact)
        await until_slow(lambda: not [bridge for bridge in rig.lab.bridges() if len(bridge["channels"]) == 2], 10)
        if state == "resumed":
            await desk.unhold(contact)
    else:
        await desk.login("a-2", address=f"Local/{COLLEAGUE}@tones/n", ready=True)
        await desk.consult(contact, "question", agent="a-2")
        await rig.sees("contact.connected", contact="question")
        await until_slow(
            lambda: any(len(one["channels"]) == 2 and "aside" in one["id"] for one in rig.lab.bridges()), 10
        )
    match state:
        case "conference":
            await desk.merge("question")
        case "returned":
            await desk.complete("question")
        case "handed over":
            await desk.merge("question", transfer=True)
    together = {"aside": [0, 2], "conference": [3], "held": [1]}.get(state, [2])
    await until_slow(lambda: sorted(len(bridge["channels"]) for bridge in rig.lab.bridges()) == together, 10)
    hears = {tone: caller, AGENT: agent, COLLEAGUE: colleague}
    await listen_and_end(rig, {who: tones for who, tones in hears.items() if tones is not None})


async def test_the_agent_hears_it_ring_while_a_customer_is_called_back(rig: Rig) -> None:
    customer = Customer(rig)
    await customer.start("ring_s = 20")
    await customer.asks()
    phone = await customer.phone([*sipp.rung(), *sipp.be_cancelled()])
    assert rig.watcher is not None
    await rig.watcher.login("a-1", address="Local/00@tones/n", ready=True)
    await until_slow(lambda: phone.saw("INVITE"), 10)
    # It rings for two seconds, and is silent for four.
    await asyncio.sleep(7.5)
    (agent,) = (each["id"] for each in rig.lab.channels() if names.leg_parts(each["id"]))
    rig.lab.hang_up(agent)
    await phone.went_well()
    await rig.sees("contact.callback_changed", cause="no_answer")
    await rig.quiet()
    file = rig.lab.base / "spool/monitor/00-hears.wav"
    assert ever_heard(file) == {RINGING}
    file.unlink()


async def test_who_waits_hears_music(rig: Rig) -> None:
    await rig.start()
    file = rig.lab.base / "spool/monitor/00-hears.wav"
    file.unlink(missing_ok=True)
    rig.lab.originate("caller", "Local/00@tones/n", "acd-numbers", "2000")
    await rig.sees("contact.queued")
    await until_slow(lambda: file.exists() and file.stat().st_size > 3 * 2 * RATE, 20)
    rig.lab.hang_up("caller")
    await rig.sees("contact.ended", reason="abandoned")
    await rig.quiet()
    assert heard(file) == {MUSIC}
    file.unlink()


def ever_heard(path: Path) -> set[int]:
    """The tones in any second of it."""
    with wave.open(str(path)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype=np.int16)
    found = set()
    for start in range(0, len(samples) - RATE, RATE // 2):
        found |= tones_in(samples[start : start + RATE])
    return found
