"""`acd top` as it lives: what is asked of the server, what the keys do, and what is drawn.

`Top` is a plain value: `press` takes a key, `draw` gives the screen, `wanted` says what the present view must know.
`watch` connects it to a server and a terminal.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any, Literal

import msgspec
from msgspec import Struct
from rich.console import Console
from rich.live import Live
from rich.text import Text

from acd_core.explain import AgentExplanation, ContactExplanation
from acd_core.views import AgentView, DomainView, QueueView
from acd_protocol.client import Client, ConnectionState, Refused
from acd_protocol.messages import ListedContact
from server.top import screen
from server.top.keys import keyboard
from server.top.tables import AGENTS, CONTACTS, QUEUES, Table, arranged

POLL_S = 1.0
ROWS_MAX = 2_000
"""Most agents or contacts that are asked for."""

Kind = Literal["queues", "agents", "contacts", "contact", "agent", "help"]
TABLES: dict[Kind, Table[Any]] = {"queues": QUEUES, "agents": AGENTS, "contacts": CONTACTS}
TABS: tuple[Kind, ...] = ("queues", "agents", "contacts")
FIRST_SORT = {"queues": 1, "agents": 1, "contacts": 1}


class View(Struct):
    """One screen, and where one is on it.

    Attributes:
        subject: the contact or agent explained, or the queue (`tenant/queue`) whose contacts are listed.
        selected: identity of the row marked; place: where it was, for when it goes away.
        chosen: whether somebody moved there; until then the mark stays on the first row.
        top: first row or line shown.
        filter: words that rows must have; typing: whether they are being typed.
    """

    kind: Kind
    subject: str = ""
    selected: str = ""
    place: int = 0
    chosen: bool = False
    top: int = 0
    sort: int = 1
    reverse: bool = False
    filter: str = ""
    typing: bool = False


class Top:
    """See the module. `title` is the first word on the screen."""

    def __init__(self, title: str) -> None:
        self.status = screen.Status(title)
        self.agents: Sequence[AgentView] = ()
        self.contacts: Sequence[ListedContact] = ()
        self.explained: ContactExplanation | AgentExplanation | str = ""
        self.ended = False
        self._views: list[View] = [View("queues")]
        self._page = 10

    @property
    def view(self) -> View:
        """The screen that is shown."""
        return self._views[-1]

    # What the server says.

    def take_stats(self, stats: Any) -> None:
        """Take an answer to `stats`."""
        self.status.domain = msgspec.convert(stats["domain"], DomainView)
        self.status.queues = msgspec.convert(stats["queues"], list[QueueView])
        self.status.now_ns = self.status.domain.now_ns

    def rows(self) -> list[Any]:
        """The rows of the table that is shown, filtered and in order."""
        view = self.view
        source: Sequence[Any] = {"queues": self.status.queues, "agents": self.agents}.get(view.kind, self.contacts)
        return arranged(TABLES[view.kind], source, self.status.now_ns, view.sort, view.reverse, view.filter)

    # What the keys do.

    def press(self, key: str) -> None:
        """Do what a key asks for."""
        if self.view.typing:
            self._type(key)
        elif key == "q":
            self.ended = True
        elif key in {"1", "2", "3"}:
            self._open_tab(TABS[int(key) - 1])
        elif key == "tab":
            base = self._views[0].kind
            self._open_tab(TABS[(TABS.index(base) + 1) % len(TABS)])
        elif key in {"escape", "backspace", "left"}:
            self._back()
        elif key in {"enter", "right"}:
            self._enter()
        elif key == "p":
            self.status.held = not self.status.held
        elif key in {"?", "h"}:
            if self.view.kind != "help":
                self._views.append(View("help"))
        elif key == "/" and self.view.kind in TABLES:
            self.view.typing = True
        elif key in {"s", "S", "r"} and self.view.kind in TABLES:
            self._sort(key)
        else:
            self._move(key)

    def _type(self, key: str) -> None:
        view = self.view
        if key == "enter":
            view.typing = False
        elif key == "escape":
            view.typing, view.filter = False, ""
        elif key == "backspace":
            view.filter = view.filter[:-1]
        elif len(key) == 1:
            view.filter += key
        view.top = view.place = 0
        view.chosen = False

    def _open_tab(self, kind: Kind) -> None:
        self._views = [View(kind, sort=FIRST_SORT[kind])]
        if kind == "contacts":
            self.contacts = ()

    def _back(self) -> None:
        if self.view.kind in TABLES and self.view.filter:
            self.view.filter = ""
        elif len(self._views) > 1:
            self._views.pop()

    def _enter(self) -> None:
        """Into what is selected: a queue's contacts, or an explanation."""
        view = self.view
        if view.kind not in TABLES or not view.selected:
            return
        if view.kind == "queues":
            self.contacts = ()
            self._views.append(View("contacts", subject=view.selected))
        else:
            self.explained = ""
            self._views.append(View("contact" if view.kind == "contacts" else "agent", subject=view.selected))

    def _sort(self, key: str) -> None:
        view = self.view
        if key == "r":
            view.reverse = not view.reverse
        else:
            view.sort = (view.sort + (1 if key == "s" else -1)) % len(TABLES[view.kind].columns)
            view.reverse = False
        view.top = 0

    def _move(self, key: str) -> None:
        view = self.view
        steps = {"up": -1, "k": -1, "down": 1, "j": 1, "page-up": -self._page, "page-down": self._page}
        steps |= {"home": -(10**9), "end": 10**9}
        step = steps.get(key)
        if step is None:
            return
        if view.kind in TABLES:
            rows = self.rows()
            if rows:
                view.place = min(max(0, self._place(rows) + step), len(rows) - 1)
                view.selected = TABLES[view.kind].name(rows[view.place])
                view.chosen = True
        else:
            view.top = max(0, view.top + step)

    def _place(self, rows: Sequence[Any]) -> int:
        """Where the selected row is now; where it was, if it has gone."""
        view = self.view
        if not view.chosen:
            return 0
        name = TABLES[view.kind].name
        for place, row in enumerate(rows):
            if name(row) == view.selected:
                return place
        return min(view.place, max(0, len(rows) - 1))

    # What is drawn.

    def draw(self, width: int, height: int) -> Text:
        """The screen."""
        top = [*screen.head(self.status, width), Text()]
        self._page = max(1, height - len(top) - 3)
        if self.view.kind in TABLES:
            middle = self._draw_table(width)
        else:
            lines = self._explanation(width)
            room = height - len(top) - 1
            self.view.top = max(0, min(self.view.top, len(lines) - room))
            middle = lines[self.view.top :]
        return screen.page(top, middle, self._bottom(), width, height)

    def _draw_table(self, width: int) -> list[Text]:
        view = self.view
        rows = self.rows()
        view.place = self._place(rows)
        view.selected = TABLES[view.kind].name(rows[view.place]) if rows else ""
        view.top = min(max(view.top, view.place - self._page), view.place)
        view.top = max(0, min(view.top, len(rows) - 1 - self._page))
        shown = rows[view.top : view.top + self._page + 1]
        lines = screen.body(
            TABLES[view.kind],
            shown,
            self.status.now_ns,
            width,
            sort=view.sort,
            reverse=view.reverse,
            selected=view.place - view.top,
        )
        if not rows:
            lines.append(Text(" nothing to show" + (" with these words" if view.filter else ""), "bright_black"))
        return lines

    def _explanation(self, width: int) -> list[Text]:
        if self.view.kind == "help":
            return screen.help_lines(width)
        if isinstance(self.explained, ContactExplanation):
            return screen.contact_lines(self.explained, width)
        if isinstance(self.explained, AgentExplanation):
            return screen.agent_lines(self.explained, width)
        return [Text(f" {self.explained or 'asking …'}", "bright_black")]

    def _bottom(self) -> Text:
        view = self.view
        line = Text(" ")
        if view.typing:
            line.append(f"/{view.filter}", "bold")
            line.append("▏")
            return line
        path = " > ".join(one.subject or one.kind for one in self._views)
        line.append(path, "bold cyan")
        if view.kind in TABLES:
            count = len(self.rows())
            line.append(f"  {count:,}{' or more' if count >= ROWS_MAX else ''}")
        if view.filter:
            line.append(f"  /{view.filter}", "bold yellow")
        line.append("   ? keys  Enter look into  s sort  / filter  q end", "bright_black")
        return line


class Feed:
    """Asks the server for what the present view shows."""

    def __init__(self, client: Client, top: Top) -> None:
        self._client = client
        self._top = top
        client.on_state(self._on_state)

    async def poll(self) -> None:
        """Ask once. A refusal, such as for a contact that is forgotten, is shown in its place."""
        top, view, client = self._top, self._top.view, self._client
        top.take_stats(await client.stats())
        if view.kind == "agents":
            top.agents = msgspec.convert(await client.listing("agents", limit=ROWS_MAX), list[AgentView])
        elif view.kind == "contacts":
            tenant, _, queue = view.subject.partition("/")
            found = await client.listing("contacts", tenant=tenant or None, queue=queue or None, limit=ROWS_MAX)
            if top.view is view:
                top.contacts = msgspec.convert(found, list[ListedContact])
        elif view.kind in {"contact", "agent"}:
            explained: ContactExplanation | AgentExplanation | str
            try:
                if view.kind == "contact":
                    explained = msgspec.convert(await client.explain(contact=view.subject), ContactExplanation)
                else:
                    explained = msgspec.convert(await client.explain(agent=view.subject), AgentExplanation)
            except Refused as refused:
                explained = refused.message
            if top.view is view:
                top.explained = explained

    def _on_state(self, state: ConnectionState) -> None:
        connected = state is ConnectionState.CONNECTED
        self._top.status.notice = "" if connected else "no connection; trying again"


async def watch(client: Client, top: Top, console: Console, fd: int, stop: asyncio.Event) -> None:
    """Show `top` on the terminal until `q` is pressed or `stop` is set; the terminal is then as it was before.

    Raises:
        ClientError: when the server stays away.
    """
    feed = Feed(client, top)
    changed = asyncio.Event()

    async def follow() -> None:
        while True:
            if not top.status.held:
                await feed.poll()
                changed.set()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_S):
                    await asked.wait()
            asked.clear()

    async def obey(keys: "asyncio.Queue[str]") -> None:
        while not top.ended:
            before = top.view
            top.press(await keys.get())
            if top.view is not before:
                asked.set()
            changed.set()

    async def show() -> None:
        with Live(
            console=console, screen=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False
        ) as live:
            while True:
                width, height = console.size
                live.update(top.draw(width, height), refresh=True)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(POLL_S):  # the terminal may have another size by then
                        await changed.wait()
                changed.clear()

    asked = asyncio.Event()
    async with keyboard(fd) as keys:
        tasks = [asyncio.ensure_future(work) for work in (follow(), obey(keys), show(), stop.wait())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
