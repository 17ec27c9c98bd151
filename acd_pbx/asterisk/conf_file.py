"""Asterisk's configuration files: sections with templates, settings in order, comments, files that include others.

::

    [office](!)            ; a template
    timeout = 15
    [support](office)      ; begins with what the template has
    member => PJSIP/1012,0,Ann
    [support](+)           ; adds to the section
    #include "more.conf"

What an included file says before its first section belongs to the section that was begun last.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

INCLUDES_MAX = 100


class ConfFileError(ValueError):
    """A file that cannot be read; the message names file, line and what to do."""


@dataclass
class Setting:
    """One line `name = value`, and where it stands."""

    name: str
    value: str
    place: str


@dataclass
class Section:
    """A section; `settings` are in the order in which they count."""

    name: str
    template: bool = False
    settings: list[Setting] = field(default_factory=list)

    def last(self, name: str) -> Setting | None:
        """The setting of that name that counts, in any case of its letters."""
        found = [setting for setting in self.settings if setting.name.lower() == name]
        return found[-1] if found else None

    def all(self, name: str) -> list[Setting]:
        """All settings of that name."""
        return [setting for setting in self.settings if setting.name.lower() == name]


class ConfFile:
    """What a file and those that it includes say.

    Attributes:
        sections: by name, in order of their first appearance.
        remarks: what was passed over, such as an include that is not there.
    """

    def __init__(self) -> None:
        self.sections: dict[str, Section] = {}
        self.remarks: list[str] = []
        self._includes = 0
        self._current: Section | None = None

    def read(self, path: Path) -> None:
        """Read a file into this.

        Raises:
            ConfFileError: it cannot be read, or a line makes no sense.
        """
        try:
            text = path.read_text("utf-8", errors="surrogateescape")
        except OSError as error:
            raise ConfFileError(f"{path}: {error.strerror}; give the path of an Asterisk configuration file") from error
        self.read_text(text.encode("utf-8", "surrogateescape").decode("utf-8", "replace"), path)

    def read_text(self, text: str, path: Path) -> None:
        """As `read`, of a file that has this text."""
        text = re.sub(r";--.*?--;", lambda found: "\n" * found[0].count("\n"), text, flags=re.DOTALL)
        section = self._current
        for number, raw in enumerate(text.splitlines(), 1):
            line = re.sub(r"(?<!\\);.*", "", raw).replace("\\;", ";").strip()
            place = f"{path.name}:{number}"
            if not line:
                continue
            if line.startswith("#"):
                self._directive(line, path, place)
            elif line.startswith("["):
                section = self._current = self._section(line, place)
            else:
                name, separator, value = line.partition("=")
                if not separator:
                    raise ConfFileError(f"{place}: {line!r} is neither a section nor a setting")
                if section is None:
                    raise ConfFileError(f"{place}: {line!r} stands before the first section")
                section.settings.append(Setting(name.strip(), value.removeprefix(">").strip(), place))

    def _section(self, line: str, place: str) -> Section:
        found = re.fullmatch(r"\[([^\]]+)\]\s*(?:\(([^)]*)\))?", line)
        if found is None:
            raise ConfFileError(f"{place}: the section {line!r} cannot be read")
        name = found[1].strip()
        options = [option.strip() for option in (found[2] or "").split(",") if option.strip()]
        if "+" in options and name in self.sections:
            return self.sections[name]
        section = self.sections[name] = Section(name, "!" in options)
        for option in options:
            if option in ("!", "+"):
                continue
            if option not in self.sections:
                raise ConfFileError(f"{place}: there is no template {option!r} before this line")
            section.settings += self.sections[option].settings
        return section

    def _directive(self, line: str, path: Path, place: str) -> None:
        word, _, rest = line.partition(" ")
        name = rest.strip().strip("\"<>'")
        if word in ("#include", "#tryinclude"):
            self._includes += 1
            if self._includes > INCLUDES_MAX:
                raise ConfFileError(f"{place}: more than {INCLUDES_MAX} includes; does a file include itself?")
            targets = sorted(path.parent.glob(name)) if not name.startswith("/") else [Path(name)]
            targets = [target for target in targets if target.is_file()]
            for target in targets:
                self.read(target)
            if not targets:
                self.remarks.append(f"{place}: {name} is not there, and was left out")
        else:
            self.remarks.append(f"{place}: {word} was left out: what it gives only Asterisk knows")
