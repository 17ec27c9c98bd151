"""The requests that the adapter makes of Asterisk: one row each, as data, so that a call's machine needs no socket.

Each is safe to repeat. What is created gets an id of our own, so that a second attempt answers 409; what is to be
gone answers 404 when it is. `fine` lists the answers that mean "it is so already".
"""

from typing import Any, NamedTuple

from acd_pbx.asterisk.names import quoted


class Operation(NamedTuple):
    """One kind of request: method, path with the names of its places, and what else counts as done."""

    method: str
    path: str
    fine: tuple[int, ...] = ()


OPERATIONS = {
    "answer": Operation("POST", "/channels/{channel}/answer"),
    "start_music": Operation("POST", "/channels/{channel}/moh"),
    "stop_music": Operation("DELETE", "/channels/{channel}/moh", (404, 409, 412)),
    "ring_back": Operation("POST", "/channels/{channel}/ring"),
    "stop_ring_back": Operation("DELETE", "/channels/{channel}/ring", (404, 409, 412)),
    "play": Operation("POST", "/channels/{channel}/play/{playback}", (409,)),
    "stop_play": Operation("DELETE", "/playbacks/{playback}", (404,)),
    "originate": Operation("POST", "/channels/{channel}", (409,)),
    "hang_up": Operation("DELETE", "/channels/{channel}", (404,)),
    "leave": Operation("POST", "/channels/{channel}/continue", (404, 409, 412)),
    "set_variable": Operation("POST", "/channels/{channel}/variable", (404,)),
    "create_bridge": Operation("POST", "/bridges/{bridge}", (409,)),
    "join": Operation("POST", "/bridges/{bridge}/addChannel"),
    "unjoin": Operation("POST", "/bridges/{bridge}/removeChannel", (400, 404, 409, 422)),
    "destroy_bridge": Operation("DELETE", "/bridges/{bridge}", (404,)),
    "record": Operation("POST", "/bridges/{bridge}/record", (404, 409)),
    "snoop": Operation("POST", "/channels/{channel}/snoop/{snoop}", (409,)),
    "device_state": Operation("PUT", "/deviceStates/{device}"),
}


class Ask(NamedTuple):
    """A request to be made.

    Attributes:
        what: a word of `OPERATIONS`.
        places: what fills the path.
        params: go into the query; body: as JSON, where ARI wants variables.
    """

    what: str
    places: dict[str, str]
    params: dict[str, str] = {}  # noqa: RUF012 - nobody changes it
    body: dict[str, Any] | None = None

    @property
    def operation(self) -> Operation:
        """The row."""
        return OPERATIONS[self.what]

    @property
    def path(self) -> str:
        """The path with its places filled."""
        return self.operation.path.format(**{name: quoted(value) for name, value in self.places.items()})

    def done_by(self, status: int) -> bool:
        """Whether an answer of this HTTP status means that it is so now."""
        return status < 300 or status in self.operation.fine


def ask(what: str, /, body: dict[str, Any] | None = None, **fields: str) -> Ask:
    """An `Ask` whose fields go into the path where it has a place for them, else into the query."""
    path = OPERATIONS[what].path
    places = {name: value for name, value in fields.items() if "{" + name + "}" in path}
    params = {name: value for name, value in fields.items() if name not in places}
    return Ask(what, places, params, body)
