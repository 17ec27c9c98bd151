"""Recordings of conversations, under the contact's id.

By ARI the bridge is recorded, into Asterisk's recording directory. By MixMonitor a snoop channel that hears both sides is
sent to the dialplan, where MixMonitor's options are: where the file goes, and what is run when it is whole.
"""

import re

from acd_pbx.asterisk import names
from acd_pbx.asterisk.operations import Ask, ask
from acd_pbx.asterisk.settings import AdapterSettings, RecordBy

FORMAT = "wav"


def begin(how: RecordBy, contact: str, offer: str, leg: str, settings: AdapterSettings) -> list[Ask]:
    """What begins the recording of a conversation in the contact's bridge, of which `leg` is the agent's channel."""
    if not how:
        return []
    name = file_of(contact)
    if how != "mixmonitor":
        bridge = names.bridge_of(contact)
        return [ask("record", bridge=bridge, name=name, format=FORMAT, ifExists="append")]
    snoop = names.recorder_of(offer, contact)
    arguments = f"{names.RECORDER_WORD},{name}"
    return [ask("snoop", channel=leg, snoop=snoop, spy="both", app=settings.ari.app, appArgs=arguments)]


def hand_over(recorder: str, name: str) -> list[Ask]:
    """What sends a recorder, which is in the application now, on to MixMonitor."""
    return [
        ask("set_variable", channel=recorder, variable="ACD_RECORDING", value=name),
        ask("leave", channel=recorder, context=names.RECORD_CONTEXT, extension="s", priority="1"),
    ]


def end(how: RecordBy, contact: str, offer: str) -> list[Ask]:
    """What ends it. A recording by ARI ends with its bridge."""
    if how != "mixmonitor":
        return []
    return [ask("hang_up", channel=names.recorder_of(offer, contact), reason="normal")]


def file_of(contact: str) -> str:
    """The recording's name, without its ending."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", contact)
