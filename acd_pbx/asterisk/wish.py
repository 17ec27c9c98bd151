"""What a caller wants, as the dialplan says it: in the arguments of Stasis(), in variables, or by the number alone.

::

    Stasis(acd)                                     the dialled number, or the variable ACD_QUEUE
    Stasis(acd,support)                             a queue or a number of the adapter's file
    Stasis(acd,support,priority=5,require=spanish>=50,crm=4711)

What is not `priority`, `require` or `queue` becomes an attribute of the contact.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from acd_pbx.asterisk.names import QUEUE_WORD, Channel
from acd_pbx.asterisk.settings import AdapterSettings
from acd_protocol.words import AttributeValue

ATTRIBUTES_MAX = 64
PRIORITY_MAX = 100


@dataclass
class Wish:
    """`queue` is `tenant/queue`, or empty when nothing names one."""

    queue: str = ""
    priority: int = 0
    require: str = ""
    attributes: dict[str, AttributeValue] = field(default_factory=dict)


def read_wish(channel: Channel, variables: Mapping[str, str], settings: AdapterSettings) -> Wish:
    """The wish of a caller. A priority that is no number counts as 0, one beyond the bounds as the bound."""
    plain = [text for text in channel.arguments if text and "=" not in text]
    options = dict(text.split("=", 1) for text in channel.arguments if "=" in text)
    if plain and plain[0] == QUEUE_WORD:
        plain = plain[1:]
    word = plain[0] if plain else options.pop("queue", "") or variables.get("ACD_QUEUE", "") or channel.dialled
    priority = options.pop("priority", "") or variables.get("ACD_PRIORITY", "")
    attributes: dict[str, AttributeValue] = {
        "ani": channel.number,
        "ani_name": channel.caller,
        "dnis": channel.dialled,
        "channel": channel.name,
        "language": channel.language,
    }
    attributes = {name: value for name, value in attributes.items() if value}
    require = options.pop("require", "") or variables.get("ACD_REQUIRE", "")
    attributes |= {name: variables[source] for name, source in settings.variables.items() if source in variables}
    attributes |= {name[:64]: value for name, value in options.items() if name}
    return Wish(
        queue=settings.path_of(word),
        priority=min(int(priority), PRIORITY_MAX) if priority.isdecimal() else 0,
        require=require,
        attributes=dict(list(attributes.items())[:ATTRIBUTES_MAX]),
    )
