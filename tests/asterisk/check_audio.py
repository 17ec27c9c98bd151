"""Who hears whom: each says a tone of his own, and what he hears in the end is looked through for the others'."""

import wave
from pathlib import Path

import numpy as np
import pytest

from tests.asterisk.rig import Rig, until_slow

CALLER, AGENT, SUPERVISOR = 600, 800, 1000
MUSIC = 425
RATE = 8000


def heard(path: Path) -> set[int]:
    """The tones in the second before the last half one."""
    with wave.open(str(path)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype=np.int16).astype(float)
    part = samples[-3 * RATE // 2 : -RATE // 2]
    assert len(part) == RATE, f"{path.name} has only {len(samples)} samples"
    strength = np.abs(np.fft.rfft(part * np.hanning(RATE)))
    return {tone for tone in (CALLER, AGENT, SUPERVISOR, MUSIC) if strength[tone - 3 : tone + 4].max() > 20_000}


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
    monitor = rig.lab.base / "spool/monitor"

    def seconds(tone: int) -> float:
        file = monitor / f"{tone}-hears.wav"
        return file.stat().st_size / 2 / RATE if file.exists() else 0.0

    people = [CALLER, AGENT, *([SUPERVISOR] if mode else [])]
    before = {tone: seconds(tone) for tone in people}
    await until_slow(lambda: all(seconds(tone) > before[tone] + 3 for tone in people), 20)
    rig.lab.hang_up("caller")
    assert (await rig.sees("contact.ended")).reason == "completed_caller"
    await rig.quiet()
    assert heard(monitor / f"{CALLER}-hears.wav") == caller
    assert heard(monitor / f"{AGENT}-hears.wav") == agent
    if mode:
        assert heard(monitor / f"{SUPERVISOR}-hears.wav") == supervisor
    for file in monitor.glob("*.wav"):
        file.unlink()
