"""Opening hours become instants: zones, holidays, nights and the two days a year when clocks are moved."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from acd_core import Engine, Machine, Outcome
from acd_core.commands import HoursSet
from acd_core.config import Calendar, Config, ConfigError, Holiday, Queue, Tenant
from acd_core.model import Model
from server.hours import check, instants

MADRID = ZoneInfo("Europe/Madrid")


def at(text: str, zone: ZoneInfo = MADRID, fold: int = 0) -> int:
    """Milliseconds since 1970 of a wall-clock time."""
    return int(datetime.fromisoformat(text).replace(tzinfo=zone, fold=fold).timestamp()) * 1000


def changes(calendar: Calendar, now: str, days: int = 7) -> tuple[bool, tuple[int, ...]]:
    return instants(calendar, at(now) * 1_000_000, timedelta(days=days))


def test_weekly_hours_open_and_close_by_the_clock_of_the_zone() -> None:
    office = Calendar(name="office", zone="Europe/Madrid", mon=("09:00-14:00", "16:00-20:00"), tue=("10:00-11:00",))
    # 2026-06-01 is a Monday.
    assert changes(office, "2026-06-01 08:00", days=1) == (
        False,
        tuple(
            at(text)
            for text in (
                "2026-06-01 09:00",
                "2026-06-01 14:00",
                "2026-06-01 16:00",
                "2026-06-01 20:00",
                "2026-06-02 10:00",
                "2026-06-02 11:00",
            )
        ),
    )
    is_open, coming = changes(office, "2026-06-01 09:00", days=1)
    assert is_open
    assert coming[0] == at("2026-06-01 14:00")


def test_a_night_lasts_into_the_next_day_and_whole_days_join() -> None:
    night = Calendar(name="night", zone="Europe/Madrid", mon=("22:00-06:00",))
    assert changes(night, "2026-06-02 01:00", days=1) == (True, (at("2026-06-02 06:00"),))
    weekend = Calendar(name="weekend", zone="Europe/Madrid", sat=("00:00-24:00",), sun=("00:00-24:00",))
    assert changes(weekend, "2026-06-05 12:00", days=4) == (False, (at("2026-06-06 00:00"), at("2026-06-08 00:00")))


def test_a_holiday_replaces_the_hours_of_its_weekday() -> None:
    office = Calendar(
        name="office",
        zone="Europe/Madrid",
        mon=("09:00-17:00",),
        tue=("09:00-17:00",),
        holidays=(Holiday(date="2026-06-01", name="Feast"), Holiday(date="2026-06-02", open=("12:00-13:00",))),
    )
    assert changes(office, "2026-06-01 10:00", days=2) == (False, (at("2026-06-02 12:00"), at("2026-06-02 13:00")))


def test_hours_follow_the_clock_when_it_is_moved() -> None:
    office = Calendar(name="office", zone="Europe/Madrid", sat=("09:00-10:00",), sun=("09:00-10:00",))
    _, coming = changes(office, "2026-03-28 00:00", days=1)  # the clock leaps from 2 to 3 on the 29th
    assert coming[2] - coming[0] == 23 * 3_600_000
    _, coming = changes(office, "2026-10-24 00:00", days=1)  # the hour from 2 to 3 comes twice on the 25th
    assert coming[2] - coming[0] == 25 * 3_600_000


def test_an_hour_that_comes_twice_is_open_twice_and_one_that_never_comes_is_kept_in_length() -> None:
    night = Calendar(name="night", zone="Europe/Madrid", sun=("01:00-02:30",))
    _, (begin, end) = changes(night, "2026-10-24 12:00", days=1)
    assert (begin, end) == (at("2026-10-25 01:00"), at("2026-10-25 02:30", fold=1))
    assert end - begin == 2.5 * 3_600_000
    _, (begin, end) = changes(night, "2026-03-28 12:00", days=1)
    assert end - begin == 1.5 * 3_600_000


@pytest.mark.parametrize(
    ("calendar", "problem"),
    [
        (Calendar(name="x", zone="Mars/Olympus"), "calendar x: zone: there is no time zone 'Mars/Olympus'"),
        (
            Calendar(name="x", holidays=(Holiday(date="2026-02-30"),)),
            "calendar x: holidays: there is no date 2026-02-30",
        ),
        (
            Calendar(name="x", holidays=(Holiday(date="2026-02-01"), Holiday(date="2026-02-01"))),
            "calendar x: holidays: 2026-02-01 is there twice",
        ),
    ],
)
def test_what_does_not_exist_is_named(calendar: Calendar, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        check(Config(calendars=(calendar,)))


NOW = 1_795_300_000_000_000_000
YEAR_9999_MS = 253_402_300_799_999
BY_HOURS = Config(
    tenants=(Tenant(name="acme"),),
    calendars=(Calendar(name="office"),),
    queues=(Queue(tenant="acme", name="support", hours="office", max_wait_s=60),),
)


@pytest.mark.parametrize("kind", [Engine, Model])
def test_an_instant_that_is_later_than_any_engine_time_never_comes(kind: type[Machine]) -> None:
    machine = kind()
    assert machine.apply_config(NOW, BY_HOURS) == Outcome.OK
    closing_ms = NOW // 10**6 + 1000
    command = HoursSet(calendar="office", open=True, changes=(closing_ms, closing_ms + 1000, YEAR_9999_MS))
    assert command.apply(machine, NOW, "boss") == Outcome.OK
    machine.advance(NOW + 3 * 10**9)
    (office,) = machine.calendars()
    assert office.open
    assert office.changes_ns == ()
    machine.take_events()
    if isinstance(machine, Engine):
        assert Engine.load(machine.dump()).digest() == machine.digest()


def test_an_instant_that_is_no_engine_time_changes_nothing() -> None:
    engine = Engine()
    assert engine.apply_config(NOW, BY_HOURS) == Outcome.OK
    assert engine.set_hours(NOW, "office", True, [NOW + 10**12]) == Outcome.OK
    before = engine.calendars()
    for _ in range(2):
        with pytest.raises(OverflowError):
            engine.set_hours(NOW, "office", True, [YEAR_9999_MS * 10**6])
    assert engine.calendars() == before
    for number in range(3):
        assert engine.enqueue_contact(NOW, "pbx", f"c-{number}", "acme", "support", 0, "", {}) == Outcome.OK
    assert len({contact.timer for contact in engine.contacts()} | {office.timer for office in before}) == 4
    engine.check()
