"""Bytes to messages and back, without sockets.

`LineReader` cuts the stream of one connection into lines; `decode_from_client` and `decode_from_server` turn a
line into a message; `encode` turns a message into a line. None of them waits, and none of them raises for
anything that a peer sends: what cannot be read becomes an `Error` that says where it is wrong.

Every byte is copied at most twice (into the buffer of an incomplete line, and out of it) and searched once, so
the cost is linear in the bytes received, however small the pieces in which they come.

The first byte of a connection is kept free for telling framings apart: JSON lines begin with `{` or white
space, and anything else is refused as malformed until another framing claims it.
"""

import difflib
import re
from collections.abc import Iterator

import msgspec
import msgspec.inspect as types
from msgspec import Raw, Struct

from acd_core import requirement
from acd_core.commands import COMMAND_TYPES, RequestId
from acd_core.config import NAME_PATTERN
from acd_core.refusals import SENTENCES, Outcome
from acd_protocol.line_cutter import LineCutter
from acd_protocol.messages import (
    LINE_BYTES_MAX,
    REQUEST_TYPES,
    Command,
    Error,
    FromClient,
    FromServer,
    Request,
)

_CONFIG_LINE = re.compile(rb'[ \t]*\{[ \t]*"type"[ \t]*:[ \t]*"config\.apply"')

encoder = msgspec.json.Encoder()
client_decoder: msgspec.json.Decoder[FromClient] = msgspec.json.Decoder(FromClient)
server_decoder: msgspec.json.Decoder[FromServer] = msgspec.json.Decoder(FromServer)

_encode = encoder.encode
_decode_client = client_decoder.decode
_decode_server = server_decoder.decode


class LineReader(LineCutter):
    """Cuts a stream of bytes into lines.

    Args:
        max_line: most bytes of a line, without its newline; a carriage return before it counts. At least `HEAD_BYTES`,
            so that what a line is can be seen before it passes the limit.
        config_max_line: the same for lines that begin with `{"type":"config.apply"`; 0 when such lines have no
            limit of their own. May be set at any time, such as when the client has shown that it may configure.

    Attributes:
        error: set as soon as a line passes its limit, even before its end has come. From then on `feed` drops
            whatever it is given: the stream has no known place to go on from, so the connection must be closed.
    """

    __slots__ = ()

    def __init__(self, max_line: int = LINE_BYTES_MAX, config_max_line: int = 0) -> None:
        super().__init__(max_line, config_max_line)

    def _too_long(self, head: bytes, length: int) -> bool:
        """Whether a line that is longer than `max_line` is really too long; then sets `error` and frees the buffer."""
        limit = self.max_line
        if self.config_max_line > limit and _CONFIG_LINE.match(head):
            limit = self.config_max_line
        if length <= limit:
            return False
        self.drop_pending()
        self.error = error(
            Outcome.LINE_TOO_LONG,
            f"the line is longer than the {limit} bytes that are accepted; the connection is closed",
        )
        return True


def encode(message: Struct) -> bytes:
    """The line of a message, with its newline. Raises `TypeError` for values that JSON does not have."""
    return _encode(message) + b"\n"


def decode_from_client(line: bytes) -> Command | Request | Error:
    """Read what a client sent. What cannot be read gives an `Error`, with the request's id where it can be found."""
    try:
        return _decode_client(line)
    except (ValueError, RecursionError) as problem:
        return explain(line, problem)


def decode_from_server(line: bytes) -> FromServer | None:
    """Read what a server sent; None for a message type of a newer server, which is to be passed over.

    Raises:
        ValueError: if the line is no message at all. Nothing that the server sends after it can be trusted.
    """
    try:
        return _decode_server(line)
    except msgspec.ValidationError as problem:
        if str(problem).endswith(_AT_TYPE) and str(problem).startswith("Invalid value"):
            return None
        raise ValueError(f"the server sent a message that cannot be read: {problem}") from problem
    except (ValueError, RecursionError) as problem:
        raise ValueError(f"the server sent a line that is no JSON: {problem}") from problem


def error(outcome: Outcome, message: str = "", request_id: RequestId = None) -> Error:
    """The `error` reply for a refusal: its code and number, and its own sentence unless `message` says it better."""
    return Error(code=outcome.code, number=outcome.value, message=message or SENTENCES[outcome], id=request_id)


# What follows runs for refused lines only, so it is written for good sentences and not for speed. What it quotes of
# the line is cut short: an answer must not be as long as the worst line.

_QUOTE_MAX = 64
_AT_TYPE = " - at `$.type`"
_PLACE = re.compile(r" - at (`key` in )?`\$\.?([^`]*)`\Z")
_UNKNOWN_FIELD = re.compile(r"Object contains unknown field `(.*)`\Z", re.DOTALL)
_MISSING_FIELD = re.compile(r"Object missing required field `(.*)`\Z")
_WRONG_KIND = re.compile(r"Expected `.*`, got `.*`\Z")
_PATTERN = re.compile(r"Expected `str` matching regex '(.*)'\Z", re.DOTALL)
_PATTERN_SENTENCES = {
    repr(NAME_PATTERN)[1:-1]: "a name has 1..64 characters, and no white space, quotes or slashes",
    repr(requirement.SKILL_PATTERN)[1:-1]: "a skill's name is a letter or '_', then letters, digits, '_', '.' or '-'",
}


def _choices(info: types.Type, place: tuple[str, str] = ("", "")) -> Iterator[tuple[tuple[str, str], tuple[str, ...]]]:
    """Every field inside a type that takes one of a few words, by its own name and that of the field around it."""
    if isinstance(info, types.LiteralType):
        yield place, tuple(map(str, info.values))
    for field in getattr(info, "fields", ()):
        yield from _choices(field.type, (place[1], field.encode_name))
    for inner in (*getattr(info, "types", ()), getattr(info, "type", None), getattr(info, "item_type", None)):
        if inner is not None:
            yield from _choices(inner, place)


def _choices_at(path: str) -> tuple[str, ...]:
    names = ["", *(part.partition("[")[0] for part in path.split("."))]
    return _CHOICES.get((names[-2], names[-1]), ())


_CHOICES = dict(_choices(types.type_info(FromClient)))
_FIELDS = {str(kind.__struct_config__.tag): kind.__struct_encode_fields__ for kind in (*COMMAND_TYPES, *REQUEST_TYPES)}


class _Envelope(Struct):
    """The two fields that an answer needs, of any JSON object whatsoever."""

    type: Raw = Raw()
    id: Raw = Raw()


_envelope_decoder = msgspec.json.Decoder(_Envelope)
_id_decoder = msgspec.json.Decoder(RequestId)
_word_decoder = msgspec.json.Decoder(str)


def explain(line: bytes, problem: Exception) -> Error:
    """The answer to a line that is no message: `problem` is what `client_decoder` raised."""
    try:
        envelope = _envelope_decoder.decode(line)
    except (ValueError, RecursionError) as worse:
        return error(Outcome.MALFORMED, _not_json(line, worse))
    request_id = _read_id(envelope.id)
    if not isinstance(problem, msgspec.ValidationError):
        return error(Outcome.MALFORMED, _not_json(line, problem), request_id)
    kind = _read_word(envelope.type)
    if kind is None:
        return error(
            Outcome.MALFORMED, "the message has no 'type', or one that is no text; begin it with its type", request_id
        )
    if kind not in _FIELDS:
        return error(
            Outcome.TYPE_UNKNOWN, f"there is no message type {_quote(kind)}{_nearest(kind, _FIELDS)}", request_id
        )
    return _invalid(kind, str(problem), request_id)


def _invalid(kind: str, problem: str, request_id: RequestId) -> Error:
    """The answer to a message of a known type whose fields are not as declared."""
    place = _PLACE.search(problem)
    path = ""
    if place is not None:
        problem = problem[: place.start()]
        path = (f"a key of {place[2]}" if place[1] else place[2])[: 2 * _QUOTE_MAX]
    where = f"{kind}: {path}: " if path else f"{kind}: "
    if found := _UNKNOWN_FIELD.match(problem):
        near = "" if path else _nearest(found[1], _FIELDS[kind])
        return error(Outcome.MALFORMED, f"{where}there is no field {_quote(found[1])}{near}", request_id)
    if found := _MISSING_FIELD.match(problem):
        return error(Outcome.MALFORMED, f"{where}the field {_quote(found[1])} is missing", request_id)
    if _WRONG_KIND.match(problem):
        return error(Outcome.MALFORMED, where + _lower(problem), request_id)
    if problem.startswith("Invalid enum value"):
        problem = f"expected one of {', '.join(_choices_at(path))}"
    elif found := _PATTERN.match(problem):
        problem = _PATTERN_SENTENCES.get(found[1], problem)
    return error(Outcome.VALUE_INVALID, where + _lower(problem)[: 4 * _QUOTE_MAX], request_id)


def _not_json(line: bytes, problem: Exception) -> str:
    """Why `line` is no JSON object, with the byte where that shows."""
    if isinstance(problem, RecursionError):
        return "the line is nested too deeply; no message needs more than a few levels"
    try:
        line.decode()
    except UnicodeDecodeError as broken:
        return f"the line is not UTF-8 at byte {broken.start}: {broken.reason}"
    if isinstance(problem, msgspec.ValidationError):
        return 'the line is not a JSON object; write {"type": …} on one line'
    if str(problem) == "Input data was truncated":
        return f"the line is no JSON: it ends at byte {len(line)}, in the middle of a value"
    return f"the line is no JSON: {str(problem).removeprefix('JSON is malformed: ')[: 4 * _QUOTE_MAX]}"


def _read_id(raw: Raw) -> RequestId:
    try:
        return _id_decoder.decode(raw) if bytes(raw) else None
    except (ValueError, RecursionError):
        return None


def _read_word(raw: Raw) -> str | None:
    try:
        return _word_decoder.decode(raw)
    except (ValueError, RecursionError):
        return None


def _quote(text: str) -> str:
    return repr(text if len(text) <= _QUOTE_MAX else text[:_QUOTE_MAX] + "…")


def _nearest(word: str, known: object) -> str:
    """The end of a sentence about an unknown word: what may have been meant."""
    near = difflib.get_close_matches(word[:_QUOTE_MAX], list(known), n=1)  # type: ignore[call-overload]
    return f"; did you mean {near[0]!r}?" if near else "; the protocol page lists all"


def _lower(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]
