"""Opening hours by wall clock become instants, and the engine is told them ahead of time.

Time zones are decided by people, and tables of them change; the engine must do the same whenever it is asked again. So
zones stay here: each calendar's hours are turned into the instants at which it opens and closes, and those go
to the engine as the command `hours.set`, which is in the journal. It is said when a server starts and when a
configuration was applied, for 400 days ahead, and said again as days pass.
"""

import asyncio
import itertools
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from acd_core import Config
from acd_core.commands import HoursSet
from acd_core.config import NS_PER_MS, Calendar, ConfigError
from acd_core.views import CalendarView
from server.clock import NS_PER_S
from server.sequencer import Sequencer

AHEAD = timedelta(days=400)
"""For so long the engine knows the instants."""
RENEWED_NS = 86_400 * NS_PER_S
"""After so long they are looked at again."""
SPARE_NS = 30 * RENEWED_NS
"""While no more than this is missing of `AHEAD`, what the engine knows will do."""

_CLIENT = "acd-serve"
"""The client name under which the instants are journaled."""
_DAY = timedelta(days=1)


def check(config: Config) -> None:
    """Raise `ConfigError` for the first calendar whose zone, or a date of which, does not exist."""
    for calendar in config.calendars:
        place = f"calendar {calendar.name}"
        try:
            ZoneInfo(calendar.zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ConfigError(
                f"{place}: zone: there is no time zone {calendar.zone!r}; write it like Europe/Madrid"
            ) from error
        seen: set[str] = set()
        for holiday in calendar.holidays:
            try:
                date.fromisoformat(holiday.date)
            except ValueError as error:
                raise ConfigError(f"{place}: holidays: there is no date {holiday.date}") from error
            if holiday.date in seen:
                raise ConfigError(f"{place}: holidays: {holiday.date} is there twice; keep one")
            seen.add(holiday.date)


def instants(calendar: Calendar, now_ns: int, ahead: timedelta = AHEAD) -> tuple[bool, tuple[int, ...]]:
    """Whether a calendar is open at `now_ns`, and when that changes afterwards, in milliseconds since 1970.

    Hours that touch or overlap are one. An hour that the clock goes through twice belongs to the hours that it begins
    or ends; a time that the clock leaps over is taken as if it had not leapt.
    """
    zone = ZoneInfo(calendar.zone)
    now_ms = now_ns // NS_PER_MS
    today = datetime.fromtimestamp(now_ms // 1000, UTC).astimezone(zone).date()
    weekly = (
        calendar.mon,
        calendar.tue,
        calendar.wed,
        calendar.thu,
        calendar.fri,
        calendar.sat,
        calendar.sun,
    )
    holidays = {date.fromisoformat(holiday.date): holiday.open for holiday in calendar.holidays}
    spans: list[tuple[int, int]] = []
    for number in range(-2, ahead.days + 1):
        day = today + number * _DAY
        for hours in holidays.get(day, weekly[day.weekday()]):
            begin, _, end = hours.partition("-")
            last_day = day if end > begin and end != "24:00" else day + _DAY
            end = "00:00" if end == "24:00" else end
            begin_ms = _ms(day, begin, zone, 0)
            end_ms = max(_ms(last_day, end, zone, 0), _ms(last_day, end, zone, 1))
            if begin_ms < end_ms:
                spans.append((begin_ms, end_ms))
    spans.sort()
    changes: list[int] = []
    until = 0
    for begin_ms, end_ms in spans:
        if begin_ms <= until:
            until = max(until, end_ms)
            if changes:
                changes[-1] = until
            continue
        changes += [begin_ms, end_ms]
        until = end_ms
    coming = [instant for instant in changes if instant > now_ms]
    open_now = (len(changes) - len(coming)) % 2 == 1
    assert all(earlier < later for earlier, later in itertools.pairwise(coming))
    return open_now, tuple(coming)


def _ms(day: date, clock: str, zone: ZoneInfo, fold: int) -> int:
    hour, _, minute = clock.partition(":")
    return int(datetime.combine(day, time(int(hour), int(minute), tzinfo=zone, fold=fold)).timestamp()) * 1000


class Hours:
    """See the module. It tells one engine."""

    def __init__(self, sequencer: Sequencer) -> None:
        self._sequencer = sequencer
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None

    def tell(self) -> None:
        """Tell the engine what it does not know, now and from then on every day."""
        sequencer = self._sequencer
        if sequencer.phase != "serving":
            return
        known = {view.calendar: view for view in sequencer.machine.calendars()}
        for calendar in sequencer.machine.config().calendars:
            now_ns = max(sequencer.clock.now(), sequencer.machine.now)
            is_open, changes = instants(calendar, now_ns)
            if not _will_do(known[calendar.name], is_open, changes):
                sequencer.perform(_CLIENT, HoursSet(calendar=calendar.name, open=is_open, changes=changes))
        self.stop()
        self._timer = self._loop.call_later(
            sequencer.clock.seconds_until(sequencer.clock.now() + RENEWED_NS), self.tell
        )

    def stop(self) -> None:
        """Tell nothing more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _will_do(known: CalendarView, is_open: bool, changes: tuple[int, ...]) -> bool:
    """Whether what the engine knows of a calendar is right, and long enough."""
    told = [instant // NS_PER_MS for instant in known.changes_ns]
    if known.open != is_open or list(changes[: len(told)]) != told:
        return False
    missing_ns = (changes[-1] - (told[-1] if told else 0)) * NS_PER_MS if len(changes) > len(told) else 0
    return missing_ns <= SPARE_NS
