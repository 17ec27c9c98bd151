"""SIPp's callers and agents: scenarios put together from steps, and the processes that play them.

A scenario is a list of steps, written as XML beside the trace of its messages. A process plays it for one call or for
many; its exit status says whether every call went as the scenario has it, and `messages` what was on the wire.
"""

import asyncio
import re
import time
from pathlib import Path
from typing import NamedTuple, Self
from urllib.parse import quote

from tests.asterisk.lab import Lab, phone_ports

_SDP = """v=0
o=- 1 1 IN IP4 [local_ip]
s=-
c=IN IP4 [media_ip]
t=0 0
m=audio [media_port] RTP/AVP 0
a=rtpmap:0 PCMU/8000
a={direction}"""

_DIALOG = """Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
[routes]
From: "{name}" <sip:{user}@[local_ip]:[local_port]>;tag=[pid]c[call_number]
To: <sip:[service]@[remote_ip]:[remote_port]>[peer_tag_param]
Call-ID: [call_id]
Contact: <sip:{user}@[local_ip]:[local_port]>
Max-Forwards: 70"""

_ANSWERED = """[last_Via:]
[last_From:]
[last_To:]{tag}
[last_Call-ID:]
[last_CSeq:]
[last_Record-Route:]
Contact: <sip:[local_ip]:[local_port];transport=[transport]>"""


def _send(head: str, body: str = "", retrans: bool = True) -> str:
    more = "Content-Type: application/sdp\nContent-Length: [len]\n\n" + body if body else "Content-Length: 0\n\n"
    again = ' retrans="500"' if retrans else ""
    return f"<send{again}><![CDATA[\n{head}\n{more}\n]]></send>"


def receive(what: str, **attributes: str) -> str:
    """Wait for a request (a word) or a response (a number). Attributes are SIPp's."""
    kind = "response" if what.isdecimal() else "request"
    more = "".join(f' {name}="{value}"' for name, value in attributes.items())
    return f'<recv {kind}="{what}"{more}/>'


def pause(seconds: float) -> str:
    """Do nothing for so long."""
    return f'<pause milliseconds="{int(seconds * 1000)}"/>'


def label(number: int) -> str:
    """A place to go to."""
    return f'<label id="{number}"/>'


# Callers


def dial(name: str = "Caller", user: str = "4930123") -> list[str]:
    """INVITE."""
    head = "INVITE sip:[service]@[remote_ip]:[remote_port] SIP/2.0\n" + _DIALOG.format(name=name, user=user)
    head = head.replace("[peer_tag_param]", "").replace("[routes]\n", "")
    return [_send(head + "\nCSeq: 1 INVITE", _SDP.format(direction="sendrecv")), receive("100", optional="true")]


def register(user: str, expires: int) -> list[str]:
    """REGISTER this phone, or with 0 seconds no longer."""
    head = (
        "REGISTER sip:[remote_ip]:[remote_port] SIP/2.0\n"
        "Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]\n"
        f"From: <sip:{user}@[remote_ip]>;tag=[pid]r[call_number]\nTo: <sip:{user}@[remote_ip]>\n"
        "Call-ID: [call_id]\nCSeq: 1 REGISTER\nMax-Forwards: 70\n"
        f"Contact: <sip:{user}@[local_ip]:[local_port]>\nExpires: {expires}"
    )
    return [_send(head), receive("200")]


def until_answered() -> list[str]:
    """Ringing or not, then 200 and ACK."""
    provisional = [receive(code, optional="true") for code in ("180", "183")]
    return [*provisional, receive("200", rrs="true"), request("ACK", 1, retrans=False)]


def request(method: str, number: int, body: str = "", more: str = "", retrans: bool = True) -> str:
    """A request of the caller in the dialogue."""
    head = f"{method} [next_url] SIP/2.0\n" + _DIALOG.format(name="Caller", user="4930123")
    return _send(f"{head}\nCSeq: {number} {method}{more}", body, retrans)


def digit(key: str, number: int) -> list[str]:
    """A key, by INFO."""
    head = "INFO [next_url] SIP/2.0\n" + _DIALOG.format(name="Caller", user="4930123")
    content = f"Content-Type: application/dtmf-relay\nContent-Length: [len]\n\nSignal={key}\nDuration=160"
    info = f'<send retrans="500"><![CDATA[\n{head}\nCSeq: {number} INFO\n{content}\n\n]]></send>'
    return [info, receive("200")]


def hang_up(number: int = 2) -> list[str]:
    """BYE by the caller."""
    return [request("BYE", number), receive("200")]


def be_hung_up() -> list[str]:
    """BYE by the other side, for either role."""
    return [receive("BYE"), respond("200 OK")]


def give_up(before: int) -> list[str]:
    """CANCEL before the answer. `before` counts the steps before it, the INVITE with them: it names the branch."""
    head = "CANCEL sip:[service]@[remote_ip]:[remote_port] SIP/2.0\n" + _DIALOG.format(name="Caller", user="4930123")
    head = (
        head.replace("branch=[branch]", f"branch=[branch-{before}]")
        .replace("[peer_tag_param]", "")
        .replace("[routes]\n", "")
    )
    ack = "ACK sip:[service]@[remote_ip]:[remote_port] SIP/2.0\n" + _DIALOG.format(name="Caller", user="4930123")
    ack = ack.replace("branch=[branch]", f"branch=[branch-{before + 3}]").replace("[routes]\n", "")
    return [
        _send(head + "\nCSeq: 1 CANCEL"),
        receive("200"),
        receive("487"),
        _send(ack + "\nCSeq: 1 ACK", retrans=False),
    ]


# Agents


def respond(status: str, sdp: str = "", tag: bool = False, retrans: bool = False) -> str:
    """A response to the last request."""
    head = f"SIP/2.0 {status}\n" + _ANSWERED.format(tag=";tag=[pid]a[call_number]" if tag else "")
    return _send(head, sdp, retrans)


def answer() -> list[str]:
    """The agent picks up."""
    return [
        respond("200 OK", _SDP.format(direction="sendrecv"), tag=True, retrans=True),
        receive("ACK"),
    ]


def refuse(status: str) -> list[str]:
    """Busy, declined and their like."""
    return [receive("INVITE"), respond(status, tag=True, retrans=True), receive("ACK")]


def rung() -> list[str]:
    """An INVITE comes, and the phone rings. What a later 487 or BYE has to repeat is kept."""
    keep = "".join(
        f'<ereg regexp=".*" search_in="hdr" header="{header}:" assign_to="{name}"/>'
        for header, name in (("Via", "via"), ("From", "from"), ("To", "to"), ("Call-ID", "callid"), ("CSeq", "cseq"))
    )
    invite = f'<recv request="INVITE" rrs="true"><action>{keep}</action></recv>'
    return [invite, respond("180 Ringing", tag=True)]


def be_cancelled() -> list[str]:
    """Ring until the other side gives up."""
    final = (
        "SIP/2.0 487 Request Terminated\nVia:[$via]\nFrom:[$from]\nTo:[$to];tag=[pid]a[call_number]\n"
        "Call-ID:[$callid]\nCSeq:[$cseq]"
    )
    return [receive("CANCEL"), respond("200 OK", tag=True), _send(final, retrans=True), receive("ACK")]


def agent_request(method: str, number: int, body: str = "", more: str = "", retrans: bool = True) -> str:
    """A request by the agent's phone in the dialogue in which it was called."""
    head = (
        f"{method} [next_url] SIP/2.0\n"
        "Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]\n"
        "From:[$to];tag=[pid]a[call_number]\nTo:[$from]\nCall-ID: [call_id]\n"
        f"Contact: <sip:[local_ip]:[local_port]>\nMax-Forwards: 70\nCSeq: {number} {method}{more}"
    )
    return _send(head, body, retrans)


def agent_hangs_up(number: int = 1) -> list[str]:
    """BYE by the agent."""
    return [agent_request("BYE", number), receive("200")]


def agent_holds(number: int, seconds: float) -> list[str]:
    """Hold the caller for so long, and take him back."""
    return [
        agent_request("INVITE", number, _SDP.format(direction="sendonly")),
        receive("100", optional="true"),
        receive("200"),
        agent_request("ACK", number, retrans=False),
        pause(seconds),
        agent_request("INVITE", number + 1, _SDP.format(direction="sendrecv")),
        receive("100", optional="true"),
        receive("200"),
        agent_request("ACK", number + 1, retrans=False),
    ]


def agent_transfers(number: int, target: str, lab: Lab, replaces: str = "") -> list[str]:
    """Transfer by REFER; the phone hangs up when it hears that it worked.

    With `replaces`, `call-id;to-tag=..;from-tag=..` of another call of the phone's, caller and that one are joined.
    """
    more = f"?Replaces={quote(replaces, safe='')}" if replaces else ""
    refer = f"\nRefer-To: <sip:{target}@127.0.0.1:{lab.sip_port}{more}>\nReferred-By: <sip:[local_ip]:[local_port]>"
    told = [receive("NOTIFY"), respond("200 OK")]
    return [
        agent_request("REFER", number, more=refer),
        receive("202"),
        *told,
        *told,
        *agent_hangs_up(number + 1),
    ]


class Message(NamedTuple):
    """One message on the wire: when, whether it came in, its first line, and all of it."""

    at: float
    received: bool
    line: str
    text: str


class Sipp:
    """One SIPp process.

    Args:
        directory: for its files.
        steps: of the scenario.
        calls: how many it plays; 0 for agents that take as many as come.
        target: the number to dial, for callers.
    """

    def __init__(
        self, lab: Lab, directory: Path, name: str, steps: list[str], *, target: str = "", port: int = 0, calls: int = 1
    ) -> None:
        self.name = name
        self.steps = steps
        self.port = port or phone_ports()
        self._lab = lab
        self._target = target
        self._calls = calls
        self._directory = directory
        self._trace = directory / f"{name}.messages"
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, *options: str) -> Self:
        """Start it."""
        scenario = self._directory / f"{self.name}.xml"
        used = re.findall(r"assign_to=\"(\w+)\"", "".join(self.steps))
        reference = [f'<Reference variables="{",".join(used)}"/>'] if used else []
        body = "\n".join([*self.steps, *reference])
        scenario.write_text(
            '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE scenario SYSTEM "sipp.dtd">\n'
            f'<scenario name="{self.name}">\n{body}\n</scenario>\n'
        )
        command = ["sipp", "-sf", str(scenario), "-i", "127.0.0.1", "-p", str(self.port), "-mp", str(phone_ports())]
        command += ["-nostdin", "-trace_msg", "-message_file", str(self._trace), "-message_overwrite", "false"]
        command += ["-trace_err", "-error_file", str(self._directory / f"{self.name}.errors")]
        if self._calls:
            command += ["-m", str(self._calls)]
        if self._target:
            command += ["-s", self._target, f"127.0.0.1:{self._lab.sip_port}", "-timeout", "120s"]
        with (self._directory / f"{self.name}.out").open("wb") as out:
            self._process = await asyncio.create_subprocess_exec(
                *command, *options, stdin=asyncio.subprocess.DEVNULL, stdout=out, stderr=out, cwd=self._directory
            )
        return self

    async def ended(self, timeout_s: float = 20) -> int:
        """Its exit status: 0 when all went as the scenario has it."""
        assert self._process is not None
        async with asyncio.timeout(timeout_s):
            return await self._process.wait()

    async def went_well(self, timeout_s: float = 20) -> None:
        """Fail unless all went as the scenario has it."""
        status = await self.ended(timeout_s)
        assert status == 0, f"SIPp {self.name} ended with {status}: {self.told()[-1500:]}\n{self.summary()}"

    def told(self) -> str:
        """The errors that it wrote."""
        errors = self._directory / f"{self.name}.errors"
        return errors.read_text(errors="replace") if errors.exists() else ""

    @property
    def had_no_port(self) -> bool:
        """Whether another program took its port in the moment before it could, so that it never called."""
        return "Unable to bind main socket" in self.told()

    async def stop(self) -> None:
        """End it, whatever it does."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    @property
    def messages(self) -> list[Message]:
        """What was on the wire so far."""
        if not self._trace.exists():
            return []
        found = []
        for part in re.split(r"^-{20,} ", self._trace.read_text(errors="replace"), flags=re.MULTILINE)[1:]:
            head, _, rest = part.partition("\n")
            text = rest.partition("\n\n")[2] if "message" in rest.split("\n\n")[0] else rest
            stamp = head.strip().split()[-1] if "T" not in head else head.split("T")[-1].strip()
            found.append(
                Message(_seconds(stamp, head), "received" in rest[:60], text.lstrip().split("\n")[0].strip(), text)
            )
        return found

    def summary(self) -> str:
        """The first lines of all messages."""
        return "\n".join(f"{'<' if each.received else '>'} {each.line}" for each in self.messages)

    @property
    def calls_received(self) -> int:
        """How many calls came in, repeated packets apart."""
        found = (re.search(r"^Call-ID: *(.+)$", each.text, re.MULTILINE) for each in self.saw("INVITE"))
        return len({match[1] for match in found if match is not None})

    def saw(self, words: str, received: bool = True) -> list[Message]:
        """The messages that begin with `words`."""
        return [each for each in self.messages if each.received is received and each.line.startswith(words)]


def _seconds(stamp: str, head: str) -> float:
    found = re.search(r"(\d{4}-\d\d-\d\d)[T\s]+(\d\d:\d\d:\d\d)\.(\d+)", head)
    if found is None:
        return 0.0
    whole = time.mktime(time.strptime(f"{found[1]} {found[2]}", "%Y-%m-%d %H:%M:%S"))
    return whole + float(f"0.{found[3]}")
