"""A real Asterisk on loopback, in the folder that tools/install_asterisk.sh makes: started, killed, cut off.

Several can run at a time: each has its own configuration, run and spool directories inside the folder, and its own
ports. Callers are whoever calls from 127.0.0.1 and is no agent; the numbers that they dial enter the application.
Agents are `agent0001` and so on; an agent's phone is expected at a port of its own, or where it registers.
"""

import contextlib
import itertools
import json
import math
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import textwrap
import time
import urllib.error
import urllib.parse
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

ROOT = Path(os.environ.get("ACD_ASTERISK_ROOT") or "/var/tmp/acd-asterisk/root")
PROJECT = Path(__file__).resolve().parents[2]
AS_ROOT = [] if os.geteuid() == 0 else ["sudo", "-n"]
START_S = 90.0
NOT_LOADED = re.findall(
    r"\w+",
    """
chan_alsa chan_console chan_dahdi chan_iax2 chan_mgcp chan_mobile chan_motif chan_ooh323 chan_oss chan_sip chan_skinny
chan_unistim pbx_ael pbx_dundi pbx_lua pbx_realtime res_config_curl res_config_ldap res_config_mysql res_config_odbc
res_config_pgsql res_config_sqlite3 res_odbc res_odbc_transaction func_odbc res_adsi res_aeap res_speech_aeap
res_calendar res_corosync res_geolocation res_hep res_hep_pjsip res_hep_rtcp res_phoneprov res_resolver_unbound res_smdi
res_snmp res_stir_shaken res_stun_monitor res_xmpp res_pjsip_config_wizard res_pjsip_geolocation res_pjsip_notify
res_pjsip_phoneprov_provider res_pjsip_stir_shaken res_prometheus res_http_media_cache res_parking res_clialiases
app_adsiprog app_agent_pool app_alarmreceiver app_amd app_confbridge app_festival app_followme app_getcpeid app_jack
app_minivm app_page app_sla app_voicemail app_voicemail_imap app_voicemail_odbc cdr_adaptive_odbc cdr_csv cdr_custom
cdr_manager cdr_odbc cdr_pgsql cdr_radius cdr_sqlite3_custom cdr_tds cel_custom cel_manager cel_odbc cel_pgsql cel_radius
cel_sqlite3_custom cel_tds
""",
)


def installed() -> bool:
    """Whether tools/install_asterisk.sh has done its work."""
    return (ROOT / "etc/acd-installed").is_file()


def free_port(kind: int = socket.SOCK_STREAM) -> int:
    """A port of the loopback that nobody has now."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


_lab_ports = itertools.cycle(range(12_000, 20_000, 10))
_phone_ports = itertools.cycle(range(20_000, 32_000, 10))
for _ in range(os.getpid() % 16 * 50):  # so that two runs on one machine seldom look at the same ones
    next(_lab_ports)
    next(_phone_ports)


def free_ports(count: int = 10, ports: Iterator[int] = _lab_ports) -> int:
    """The first of so many UDP ports in a row that nobody has now, and that nobody here was given of late."""
    for _ in range(800):
        first, *rest = (next(ports) for _ in range(-(-count // 10)))
        if rest and rest[-1] < first:
            continue
        with contextlib.ExitStack() as stack:
            try:
                for port in range(first, first + count):
                    probe = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                    probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return first
    raise RuntimeError("no free ports in a row")


def phone_ports() -> int:
    """Ten ports for a phone."""
    return free_ports(10, _phone_ports)


class Lab:
    """One Asterisk.

    Args:
        name: of its directories.
        agents: how many phones it knows.
        members: local members of its own queue `bench`, for the comparison with app_queue.

    Attributes:
        sip_port, http_port: where it listens.
        agent_port: the phone of agent 1 is expected at the port after this, and so on.
    """

    user = "acd"
    password = "secret"
    app = "acd"

    def __init__(self, name: str, agents: int = 20, members: int = 0) -> None:
        self.name = name
        self.agents = agents
        self.members = members
        self.sip_port = free_port(socket.SOCK_DGRAM)
        self.http_port = free_port()
        self.agent_port = free_ports(agents + 1)
        self.base = ROOT / "srv" / f"acd-{name}-{os.getpid()}"
        self._inside = "/" + str(self.base.relative_to(ROOT))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def ari_url(self) -> str:
        """Of its REST interface."""
        return f"http://127.0.0.1:{self.http_port}/ari"

    @property
    def pid(self) -> int:
        """Of the Asterisk, which is the child of what was started."""
        return int((self.base / "run/asterisk.pid").read_text())

    def phone_port(self, agent: int) -> int:
        """Where the phone of an agent is expected."""
        return self.agent_port + agent

    def __enter__(self) -> Self:
        self.configure()
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        shutil.rmtree(self.base, ignore_errors=True)

    # Life

    def start(self) -> None:
        """Start it, and wait until it is fully booted."""
        self._launch()
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError, urllib.error.URLError, subprocess.TimeoutExpired):
                if self.ari("GET", "/asterisk/info")["status"]["startup_time"] and "fully booted" in self.cli(
                    "core waitfullybooted"
                ):
                    return
            assert self._process is not None
            if self._process.poll() is not None:
                break
            time.sleep(0.1)
        raise RuntimeError(f"asterisk did not start: {self.log()[-2000:]}")

    def _launch(self) -> None:
        with (self.base / "out").open("ab") as out:
            self._process = subprocess.Popen(
                [
                    *(*AS_ROOT, "chroot", str(ROOT), "/usr/bin/env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"),
                    *("LC_ALL=C.UTF-8", f"HOME={self._inside}"),
                    *("asterisk", "-f", "-C", f"{self._inside}/etc/asterisk.conf"),
                ],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
                preexec_fn=_more_files,  # noqa: PLW1509 - it takes no locks
            )

    def kill(self) -> None:
        """End it as a crash would."""
        self._signal(signal.SIGKILL)

    def stop(self) -> None:
        """Ask it to stop, and wait."""
        self._signal(signal.SIGTERM)

    def _signal(self, number: int) -> None:
        process = self._process
        if process is None:
            return
        if process.poll() is None:
            if AS_ROOT:
                subprocess.run([*AS_ROOT, "kill", f"-{number}", str(self.pid)], check=False)
            else:
                process.send_signal(number)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        (self.base / "run/asterisk.ctl").unlink(missing_ok=True)
        self._process = None

    def freeze(self, stopped: bool) -> None:
        """Let it stand still, or go on: what a cut network looks like from outside."""
        os.kill(self.pid, signal.SIGSTOP if stopped else signal.SIGCONT)

    @property
    def running(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    # Asking

    def cli(self, command: str) -> str:
        """What a command of its console prints."""
        done = subprocess.run(
            [*AS_ROOT, "chroot", str(ROOT), "asterisk", "-C", f"{self._inside}/etc/asterisk.conf", "-rx", command],
            capture_output=True,
            text=True,
            check=False,
            timeout=20,
        )
        return done.stdout

    def ari(self, method: str, path: str) -> Any:
        """What its REST interface answers."""
        login = b64encode(f"{self.user}:{self.password}".encode()).decode()
        request = urllib.request.Request(
            self.ari_url + path, method=method, headers={"Authorization": f"Basic {login}"}
        )
        with urllib.request.urlopen(request, timeout=5) as answer:
            data = answer.read()
        return json.loads(data) if data else None

    def channels(self) -> list[dict[str, Any]]:
        """All channels."""
        channels: list[dict[str, Any]] = self.ari("GET", "/channels")
        return channels

    def bridges(self) -> list[dict[str, Any]]:
        """All bridges."""
        bridges: list[dict[str, Any]] = self.ari("GET", "/bridges")
        return bridges

    def originate(self, channel: str, endpoint: str, context: str, extension: str) -> None:
        """Call somebody, and send him to a place in the dialplan when he answers."""
        where = {"endpoint": endpoint, "context": context, "extension": extension, "priority": "1"}
        self.ari("POST", f"/channels/{channel}?{urllib.parse.urlencode(where)}")

    def hang_up(self, channel: str) -> None:
        """End a channel, if it is still there."""
        with contextlib.suppress(urllib.error.HTTPError):
            self.ari("DELETE", f"/channels/{urllib.parse.quote(channel, safe='')}")

    def log(self) -> str:
        """What it wrote."""
        texts = [
            path.read_text(errors="replace")
            for path in (self.base / "out", self.base / "log/messages.log")
            if path.exists()
        ]
        return "\n".join(texts)

    # Configuration

    def configure(self) -> None:
        """Write everything afresh."""
        shutil.rmtree(self.base, ignore_errors=True)
        for directory in ("etc", "run", "log", "spool", "lib", "lib/keys", "moh", "spool/recording"):
            (self.base / directory).mkdir(parents=True, exist_ok=True)
        for name, text in self._files().items():
            (self.base / "etc" / name).write_text(text)
        tone = (int(1200 * math.sin(math.tau * 425 * n / 8000)) for n in range(80_000))
        (self.base / "moh/tone.sln").write_bytes(struct.pack("<80000h", *tone))

    def _files(self) -> dict[str, str]:
        inside = self._inside
        modules = next(path for path in ROOT.glob("usr/lib/**/asterisk/modules") if path.is_dir())
        first_rtp = free_ports(400)
        directories = {
            "astetcdir": f"{inside}/etc",
            "astmoddir": "/" + str(modules.relative_to(ROOT)),
            "astvarlibdir": f"{inside}/lib",
            "astdbdir": f"{inside}/lib",
            "astkeydir": f"{inside}/lib",
            "astdatadir": "/usr/share/asterisk",
            "astagidir": "/usr/share/asterisk/agi-bin",
            "astspooldir": f"{inside}/spool",
            "astrundir": f"{inside}/run",
            "astlogdir": f"{inside}/log",
        }
        dialplan = (PROJECT / "examples/asterisk/extensions_acd.conf").read_text()
        return {
            "asterisk.conf": "[directories]\n"
            + "".join(f"{name} => {path}\n" for name, path in directories.items())
            + "[options]\nmaxfiles = 65536\nhideconnect = yes\nlockconfdir = no\n",
            "modules.conf": "[modules]\nautoload = yes\n" + "".join(f"noload = {name}.so\n" for name in NOT_LOADED),
            "logger.conf": "[general]\nqueue_log = no\n[logfiles]\nmessages.log => notice,warning,error\n",
            "cdr.conf": "[general]\nenable = no\n",
            "cel.conf": "[general]\nenable = no\n",
            "statsd.conf": "[general]\nenabled = no\n",
            "indications.conf": "[general]\ncountry = us\n[us]\ndescription = us\nringcadence = 2000,4000\n"
            "dial = 350+440\nbusy = 480+620/500,0/500\nring = 440+480/2000,0/4000\n",
            "http.conf": "[general]\nenabled = yes\nbindaddr = 127.0.0.1\nsessionlimit = 1000\n"
            f"bindport = {self.http_port}\n",
            "ari.conf": "[general]\nenabled = yes\n"
            f"[{self.user}]\ntype = user\npassword_format = plain\npassword = {self.password}\n",
            "rtp.conf": f"[general]\nrtpstart = {first_rtp}\nrtpend = {first_rtp + 399}\nicesupport = no\n",
            "musiconhold.conf": f"[default]\nmode = files\ndirectory = {inside}/moh\n",
            "pjsip.conf": self._pjsip(),
            "extensions.conf": f"{dialplan}\n{_TARGETS}\n{page_block('[from-internal-custom]')}",
            "queues.conf": self._queues(),
            **dict.fromkeys(
                ("acl.conf", "ccss.conf", "features.conf", "pjproject.conf", "udptl.conf", "manager.conf"), ""
            ),
        }

    def _pjsip(self) -> str:
        text = _PJSIP.replace("@SIP_PORT@", str(self.sip_port))
        for number in range(1, self.agents + 1):
            name = f"agent{number:04d}"
            text += (
                f"\n[{name}](agent-endpoint)\naors = {name},{name}-fixed\n"
                f'callerid = "Agent {number}" <{number:04d}>\n'
                f"[{name}](agent-aor)\n"
                f"[{name}-fixed]\ntype = aor\ncontact = sip:{name}@127.0.0.1:{self.phone_port(number)}\n"
            )
        # An agent whose phone must register, and the phone of the page, at the port of agent 13.
        text += "\n[roamer](agent-endpoint)\naors = roamer\n[roamer](agent-aor)\n"
        text += "\n[1012](agent-endpoint)\naors = 1012\ncontext = from-internal-custom\n[1012]\ntype = aor\n"
        text += f"contact = sip:1012@127.0.0.1:{self.phone_port(13)}\n"
        return text

    def _queues(self) -> str:
        members = "".join(f"member => Local/{number:04d}@bench-agent/n\n" for number in range(self.members))
        return (
            "[general]\npersistentmembers = no\nautofill = yes\n[bench]\nstrategy = leastrecent\ntimeout = 15\n"
            f"retry = 1\nwrapuptime = 0\nringinuse = no\njoinempty = yes\nleavewhenempty = no\n{members}"
        )


def page_block(word: str) -> str:
    """The part of a block of docs/asterisk.md that begins with this word, as it is."""
    page = (PROJECT / "docs/asterisk.md").read_text()
    (block,) = (
        text for text in re.findall(r"^ *```(?:ini|toml)\n(.*?)^ *```", page, re.DOTALL | re.MULTILINE) if word in text
    )
    return textwrap.dedent(block[block.index(word) :] if word.startswith("[from") else block)


def _more_files() -> None:
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


_PJSIP = """
[global]
type = global
endpoint_identifier_order = auth_username,username,ip

[udp]
type = transport
protocol = udp
bind = 127.0.0.1:@SIP_PORT@

[lab-endpoint](!)
type = endpoint
disallow = all
allow = ulaw
direct_media = no
rtp_symmetric = yes
force_rport = yes
rewrite_contact = no
media_address = 127.0.0.1
bind_rtp_to_media_address = yes
trust_id_inbound = yes
dtmf_mode = info
; SIPp's scenarios know no re-INVITE in the middle of a call
send_connected_line = no
timers = no

[callers](lab-endpoint)
context = from-callers
aors = callers

[callers]
type = aor

[callers]
type = identify
endpoint = callers
match = 127.0.0.1

[agent-endpoint](!,lab-endpoint)
context = from-agents

[agent-aor](!)
type = aor
max_contacts = 1
remove_existing = yes
"""

_TARGETS = """
[from-callers]
include => lab-wishes
include => acd-numbers
; from another Asterisk, to a phone of this one
exten => _age[n]tXXXX,1,Dial(PJSIP/${EXTEN},30)
 same => n,Hangup()

[from-agents]
include => acd-features
include => acd-numbers
include => lab-targets

; where a lab's number leads when no adapter takes part, or does not know it
[acd-no-adapter]
exten => _X!,1,Answer()
 same => n,Wait(60)
 same => n,Hangup()

[acd-after]
exten => _.,1,Hangup()

; a way out by the dialplan, as FreePBX has it: the customer's phone is that of agent 14
[lab-out]
exten => _X.,1,Dial(PJSIP/agent0014,20)
 same => n,Hangup(${HANGUPCAUSE})

; callers who bring with them what they want
[lab-wishes]
exten => 2101,1,Stasis(acd,support,priority=5,crm=4711)
exten => 2102,1,Set(ACD_QUEUE=support)
 same => n,Set(ACD_PRIORITY=7)
 same => n,Set(CRM_ID=4712)
 same => n,Stasis(acd)

; targets of transfers
[lab-targets]
exten => 1000,1,Answer()
 same => n,Wait(600)
 same => n,Hangup()

; agents that are not SIP, one context for each behaviour
[syn-answer]
exten => _X.,1,Answer()
 same => n,Wait(3600)
[syn-noanswer]
exten => _X.,1,Ringing()
 same => n,Wait(600)
; the far side of a caller who is a Local channel
[syn-caller]
exten => hold,1,Wait(3600)
 same => n,Hangup()

; people of whom each says a tone of his own, in Hz, and what he hears is recorded; 00 only listens. Two tones would wait
; for each other's clock if nothing but a Local channel was between them.
[tones]
exten => 00,1,Answer()
 same => n,MixMonitor(00-both.wav,r(00-hears.wav))
 same => n,Wait(60)
 same => n,Hangup()
exten => _.,1,Answer()
 same => n,MixMonitor(${EXTEN}-both.wav,r(${EXTEN}-hears.wav))
 same => n,Playtones(${EXTEN})
 same => n,Wait(60)
 same => n,Hangup()

; members of the queue 'bench': they are up at once, and talk for a second or so
[bench-agent]
exten => _X.,1,Answer(,i)
 same => n,Wait($[${RAND(500,1500)} / 1000])
 same => n,Hangup()
[bench-queue]
exten => bench,1,Queue(bench,r)
 same => n,Hangup()
"""
