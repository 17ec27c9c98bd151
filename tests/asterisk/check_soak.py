"""The soak, for half a minute: whatever is killed, nothing is lost that Asterisk did not lose itself."""

from pathlib import Path

from tests.asterisk.soak import Soak


async def test_half_a_minute_of_calls_with_kills(tmp_path: Path) -> None:
    report = await Soak(minutes=0.5, agents=6, rate=1.0, kill_every_s=5, seed=3).run(tmp_path)
    assert all(report["checks"].values()), report
    assert report["answered"] > 5
    assert report["killed"]
