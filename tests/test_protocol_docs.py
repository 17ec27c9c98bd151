import re
from pathlib import Path

import pytest

from acd_core.commands import COMMAND_TYPES
from acd_core.events import EVENT_TYPES, Event
from acd_core.refusals import Outcome
from acd_protocol import docs
from acd_protocol.framing import decode_from_client, decode_from_server
from acd_protocol.message_examples import EXAMPLES, SESSION
from acd_protocol.messages import REPLY_TYPES, REQUEST_TYPES, Error

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "protocol.md"
MESSAGE_TYPES = (*COMMAND_TYPES, *REQUEST_TYPES, *REPLY_TYPES, *EVENT_TYPES)


@pytest.fixture(scope="module")
def page() -> str:
    return docs.page()


def test_the_page_is_what_the_declarations_say(page: str) -> None:
    assert PAGE.read_text(encoding="utf-8") == page, "docs/protocol.md is stale; run 'make docs'"


def test_every_json_example_on_the_page_can_be_read(page: str) -> None:
    examples = re.findall(r"^```json\n(.*)\n```$", page, re.MULTILINE)
    assert len(examples) == len(MESSAGE_TYPES)
    for kind, example in zip(MESSAGE_TYPES, examples, strict=True):
        decode = decode_from_client if issubclass(kind, (*COMMAND_TYPES, *REQUEST_TYPES)) else decode_from_server
        assert type(decode(example.encode())) is kind, example


def test_every_line_of_the_session_can_be_read(page: str) -> None:
    lines = re.findall(r"^([→←]) (.*)$", page, re.MULTILINE)
    assert len(lines) == len(SESSION)
    for arrow, line in lines:
        message = decode_from_client(line.encode()) if arrow == "→" else decode_from_server(line.encode())
        assert message in SESSION


def test_the_events_of_the_session_grow_and_follow_each_other() -> None:
    numbers = [message.seq for message in SESSION if isinstance(message, Event)]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_every_message_has_one_example() -> None:
    assert [type(example) for example in EXAMPLES] == list(MESSAGE_TYPES)
    assert not any(isinstance(decode_from_client(docs._json(example).encode()), Error) for example in EXAMPLES[:22])


def test_every_message_and_refusal_is_on_the_page(page: str) -> None:
    headings = re.findall(r"^### (.*)$", page, re.MULTILINE)
    assert headings[: len(MESSAGE_TYPES)] == [str(kind.__struct_config__.tag) for kind in MESSAGE_TYPES]
    for outcome in Outcome:
        assert f"| {outcome.value} | `{outcome.code}` |" in page


def test_every_link_within_the_page_leads_somewhere(page: str) -> None:
    anchors = {
        re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.*)$", page, re.MULTILINE)
    }
    links = re.findall(r"\]\(#([^)]*)\)", page)
    assert len(links) > 10
    assert set(links) <= anchors


def test_every_field_of_every_message_is_in_its_table(page: str) -> None:
    sections = dict(re.findall(r"^### (\S+)\n(.*?)(?=^##)", page, re.MULTILINE | re.DOTALL))
    besides = {"id", "seq", "at"}
    for kind in (*MESSAGE_TYPES, *docs.CONFIG_TYPES):
        table = sections[str(kind.__struct_config__.tag or kind.__name__)]
        for field in kind.__struct_encode_fields__:
            assert f"| `{field}` |" in table or field in besides, f"{kind.__name__}.{field}"


def test_a_stale_page_is_told_and_a_written_one_is_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "protocol.md"
    assert docs.main([str(path), "--check"]) == 2
    assert docs.main([str(path)]) == 0
    assert docs.main([str(path), "--check"]) == 0
    path.write_text(path.read_text().replace("contact.enqueue", "contact.engage"))
    capsys.readouterr()
    assert docs.main([str(path), "--check"]) == 1
    assert "make docs" in capsys.readouterr().err
