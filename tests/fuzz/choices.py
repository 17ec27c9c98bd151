"""Structure out of bytes: a fuzzer's input, read as a row of choices, makes messages that are almost as declared."""

from typing import Any

import msgspec
import msgspec.inspect as types
from msgspec import Struct

from acd_core.commands import COMMAND_TYPES, Command
from acd_protocol.messages import REQUEST_TYPES, FromClient

KINDS: tuple[type[Struct], ...] = (*COMMAND_TYPES, *REQUEST_TYPES)
_INFO = {kind: types.type_info(kind) for kind in KINDS}

KNOWN = ("c-1", "c-2", "c-3", "a-1", "a-2", "acme", "zeta", "support", "o-1", "o-2", "o-3", "pbx-1", "spanish", "lunch")
"""Names that mean something in the centre of `targets`, so that not every message is refused as unknown."""
REQUIREMENTS = ("", "spanish", "spanish>=2", "spanish & !agent.site == 'x'", "spanish | (", "@", "a" * 300)
ODD: tuple[Any, ...] = (None, True, -1, 0, 2**63, -(2**63) - 1, 1e308, "", "\x00", "é" * 65, [], {}, [[[]]], "x" * 5000)


class Choices:
    """Reads numbers from bytes, and zeros when there are no more."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def left(self) -> bool:
        """Whether there are bytes that were not used."""
        return self._at < len(self._data)

    def below(self, limit: int) -> int:
        """A number in 0..limit-1."""
        value = 0
        width = 1 if limit <= 256 else 8
        for byte in self._data[self._at : self._at + width]:
            value = value << 8 | byte
        self._at += width
        return value % limit

    def one_in(self, many: int) -> bool:
        """True once in a while, and never when there are no more bytes."""
        return self.below(many) == many - 1

    def of(self, values: Any) -> Any:
        """One of some values."""
        return values[self.below(len(values))]

    def message(self) -> dict[str, Any]:
        """A message as declared, or wrong in a place or two."""
        kind = self.of(KINDS)
        made: dict[str, Any] = {"type": kind.__struct_config__.tag}
        info = _INFO[kind]
        assert isinstance(info, types.StructType)
        for field in info.fields:
            if field.required or self.one_in(2):
                made[field.encode_name] = self.of(ODD) if self.one_in(24) else self.value(field.encode_name, field.type)
        if self.one_in(24):
            made.pop(self.of(list(made)))
        if self.one_in(24):
            made[self.of(KNOWN)] = self.of(ODD)
        return made

    def value(self, name: str, info: types.Type) -> Any:
        """A value of a field: within its bounds, at them, or just beyond."""
        match info:
            case types.Metadata():
                return self.value(name, info.type)
            case types.UnionType():
                return self.value(name, self.of(info.types))
            case types.StructType():
                return {
                    field.encode_name: self.value(field.encode_name, field.type)
                    for field in info.fields
                    if field.required or self.one_in(3)
                }
            case types.StrType():
                if name == "require":
                    return self.of(REQUIREMENTS)
                length = self.of((info.min_length or 0, 1, info.max_length or 9, (info.max_length or 9) + 1))
                return self.of(KNOWN) if self.one_in(2) or self.one_in(2) else "n" * length
            case types.IntType() | types.FloatType():
                least = int(info.ge if info.ge is not None else -(2**53))
                most = int(info.le if info.le is not None else 2**53)
                return self.of((least, most, least + self.below(1 + min(most - least, 100)), least - 1, most + 1))
            case types.LiteralType():
                return self.of(info.values)
            case types.VarTupleType():
                return [self.value(name, info.item_type) for _ in range(self.below(4))]
            case types.DictType():
                return {
                    str(self.value("", info.key_type)): self.value("", info.value_type) for _ in range(self.below(4))
                }
            case types.BoolType():
                return self.one_in(2)
            case types.NoneType():
                return None
            case _:
                return self.of(ODD)

    def line(self) -> bytes:
        """A message on a line, or what is none."""
        if self.one_in(16):
            return bytes(self.below(256) for _ in range(self.below(40))).replace(b"\n", b" ")
        line = msgspec.json.encode(self.message(), enc_hook=str)
        if self.one_in(16):
            at = self.below(len(line))
            line = line[:at] + bytes([self.below(256)]).replace(b"\n", b"") + line[at + self.below(3) :]
        return line.replace(b"\n", b" ")


_decode = msgspec.json.Decoder(FromClient)


def command_of(choices: Choices) -> Command | None:
    """A command that is as declared; None if what came out is none."""
    try:
        message = _decode.decode(msgspec.json.encode(choices.message(), enc_hook=str))
    except (ValueError, RecursionError):
        return None
    return message if isinstance(message, Command) else None
