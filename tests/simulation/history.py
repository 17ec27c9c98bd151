"""What the clients of a simulation did and were told: the evidence that `tests.simulation.checks` judges."""

from msgspec import Struct, field

from acd_core.commands import Command
from acd_core.events import Event
from acd_protocol.messages import Gap, Ok

Answer = Ok | tuple[str, int, str]
"""`ok` as it came, or code, number and sentence of a refusal."""


class Sent(Struct):
    """A command that a client sent, perhaps several times.

    Attributes:
        client: its name.
        life: which life of that client's program; commands of one life are sent in order.
        sent_ns, answered_ns: in virtual time; the second 0 while there is no answer.
        answer: None when there was none; then nobody knows what became of the command.
    """

    client: str
    life: int
    command: Command
    sent_ns: int
    answered_ns: int = 0
    answer: Answer | None = None


class Heard(Struct):
    """The events that one life of a client's program got.

    Attributes:
        since: `seq` after which it wanted its own; -1 until that is known.
        everything_since: `seq` after which it wanted those of others too; -1 for none.
        items: in the order in which they came.
        due_until: `seq` up to which it was there long enough to hear; 0 if nobody knows.
    """

    client: str
    life: int
    since: int
    everything_since: int = -1
    items: list[Event | Gap] = field(default_factory=list)
    due_until: int = 0


class History:
    """All of it."""

    def __init__(self) -> None:
        self.sent: list[Sent] = []
        self.heard: list[Heard] = []
