"""What docs/asterisk.md shows works as it is written there: the first routed call, and an imported queues.conf."""

import asyncio
import sys

from acd_core.toml import read_toml
from tests.asterisk import sipp
from tests.asterisk.lab import PROJECT, page_block
from tests.asterisk.rig import Rig

QUEUES = """
[general]
autofill = yes
[support]
strategy = rrmemory
timeout = 12
wrapuptime = 2
announce-frequency = 30
announce-holdtime = yes
member => PJSIP/agent0001,0,Ann Lee
"""


def placed(rig: Rig, text: str) -> str:
    """An adapter's file, with where this Asterisk and this engine are."""
    assert "[ari]\n" in text
    text = text.replace("[ari]\n", f'[ari]\nurl = "{rig.lab.ari_url}"\n')
    return f"{text}\n[engine]\nport = {rig.server.port}\n"


async def test_the_first_routed_call_of_the_page(rig: Rig) -> None:
    await rig.apply(read_toml(page_block('agent = "ann"'), "asterisk.md"))
    rig.adapter.file.write_text(placed(rig, page_block('name = "pbx-1"')))
    await rig.adapter.start()
    await rig.adapter.in_step()
    assert "in step with Asterisk and engine: 0 calls" in rig.adapter.log()
    phone = rig.lab.phone_port(13)
    code = await rig.phone(
        "login", [*sipp.dial("Ann", "1012"), *sipp.until_answered(), *sipp.be_hung_up()], target="*45"
    )
    await code.went_well()
    await rig.sees("agent.changed", agent="ann", state="ready")
    rings = await rig.phone("1012", [*sipp.rung(), *sipp.answer(), *sipp.be_hung_up()], port=phone)
    steps = [*sipp.dial("Bob", "1012"), *sipp.until_answered(), sipp.pause(1), *sipp.hang_up()]
    caller = await rig.phone("other", steps, target="2000")
    await caller.went_well()
    await rings.went_well()
    ended = await rig.sees("contact.ended")
    assert (ended.queue, ended.agent, ended.reason) == ("support", "ann", "completed_caller")
    await rig.quiet()


async def test_an_imported_queue_takes_calls_as_it_is(rig: Rig) -> None:
    queues, config, settings = (rig.directory / name for name in ("queues.conf", "acd.toml", "pbx-1.toml"))
    queues.write_text(QUEUES)
    command = ["import-queues", str(queues), "--tenant", "acme", "--output", str(config)]
    command += ["--adapter-output", str(settings)]
    made = await asyncio.create_subprocess_exec(sys.executable, "-m", "server", *command, cwd=PROJECT)
    assert await made.wait() == 0
    await rig.apply(read_toml(config.read_text(), config.name))
    text = settings.read_text().replace('password = ""', f'password = "{rig.lab.password}"')
    # The number is for the reader to fill in.
    text = placed(rig, text.replace("[numbers]\n", '[numbers]\n2000 = "support"\n'))
    rig.adapter.file.write_text(text)
    await rig.adapter.start()
    await rig.adapter.in_step()
    code = await rig.dials("agent0001", "*45", sipp.until_answered(), sipp.be_hung_up())
    await code.went_well()
    await rig.sees("agent.changed", agent="Ann-Lee", state="ready")
    agent = await rig.agent([*sipp.rung(), *sipp.answer(), *sipp.be_hung_up()])
    caller = await rig.caller(sipp.until_answered(), [sipp.pause(1)], sipp.hang_up())
    await caller.went_well()
    await agent.went_well()
    await rig.sees("contact.wrapup", agent="Ann-Lee", reason="completed_caller")
    await rig.quiet()
