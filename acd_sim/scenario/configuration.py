"""The configuration of a scenario: the file that it names, its own tables, and the agents of its teams."""

import fnmatch
import re
from pathlib import Path
from typing import Any

import msgspec

from acd_core.config import Config, ConfigError
from acd_core.toml import TABLES, read_document, read_toml
from acd_sim.scenario import shape
from acd_sim.scenario.document import Document, ScenarioError, Steps


def merge(found: Document, path: Path) -> None:
    """Put the tables of a configuration file under those of the scenario, whose entries of the same name win."""
    try:
        text = path.read_text("utf-8")
        read_toml(text, path.name)
    except (OSError, UnicodeDecodeError) as error:
        raise found.error(("config",), f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    except ConfigError as error:
        raise found.error(("config",), str(error)) from error
    base = Document(text, path.name, path.parent).data
    for table, value in base.items():
        mine = found.data.get(table)
        if mine is None:
            found.data[table] = value
        elif isinstance(mine, dict) and isinstance(value, dict):
            found.data[table] = {**value, **mine}
        elif isinstance(mine, list) and isinstance(value, list):
            found.data[table] = _merged_entries(value, mine)


def _merged_entries(base: list[Any], mine: list[Any]) -> list[Any]:
    keys = ("tenant", "name", "agent")
    entries = list(base)
    places = {tuple(entry.get(key) for key in keys): n for n, entry in enumerate(base) if isinstance(entry, dict)}
    for entry in mine:
        place = places.get(tuple(entry.get(key) for key in keys)) if isinstance(entry, dict) else None
        if place is None:
            if entry not in entries:
                entries.append(entry)
        else:
            entries[place] = {**entries[place], **entry}
    return entries


_BY_NUMBER = re.compile(r"(?P<table>\w+)(?:\[(?P<number>\d+)\](?: \([^)]*\))?)?: (?:(?P<field>\w+): )?")
_BY_NAME = re.compile(r"(?P<table>queue|agent) (?P<name>\S+): (?:(?P<field>\w+): )?")


def configuration(found: Document, scenario: shape.Scenario) -> tuple[Config, dict[str, tuple[str, ...]]]:
    """The configuration with the agents of the teams, and who is in which team."""
    tables = {key: value for key, value in found.data.items() if key in TABLES}
    agents = list(tables.get("agents", []))
    known = [entry.get("agent") for entry in agents if isinstance(entry, dict)]
    teams: dict[str, tuple[str, ...]] = {}
    made_by: list[int] = []
    for number, team in enumerate(scenario.teams):
        place: Steps = ("teams", number)
        if team.name in teams:
            raise found.error((*place, "name"), f"two teams are called {team.name!r}; rename one")
        if (team.count is None) == (not team.agents):
            raise found.error(place, "give either count, for new agents, or agents, for configured ones")
        if team.agents:
            members = [agent for agent in known if any(fnmatch.fnmatchcase(str(agent), text) for text in team.agents)]
            if not members:
                raise found.error((*place, "agents"), f"no configured agent is called like {', '.join(team.agents)}")
            teams[team.name] = tuple(str(agent) for agent in members)
            continue
        ids = tuple(f"{team.name}-{index}" for index in range(1, (team.count or 0) + 1))
        teams[team.name] = ids
        entry = {"tenants": team.tenants, "skills": team.skills, "ranks": team.ranks, "attributes": team.attributes}
        agents += [{"agent": agent, "cost": team.cost, **entry} for agent in ids]
        made_by += [number] * len(ids)
    tables["agents"] = agents
    try:
        config = read_document(msgspec.to_builtins(tables), found.source)
    except ConfigError as error:
        message = str(error).removeprefix(f"{found.source}: ")
        place = _place(message, tables)
        if len(place) > 1 and place[0] == "agents" and isinstance(place[1], int) and place[1] >= len(known):
            place = ("teams", made_by[place[1] - len(known)], *place[2:])
        line = found.line(place)
        raise ScenarioError(f"{found.source}:{line}: {message}" if line else f"{found.source}: {message}") from error
    return config, teams


def _place(message: str, tables: dict[str, Any]) -> Steps:
    """Where in the tables an error of the configuration lies, as far as its sentence tells."""
    if at := _BY_NUMBER.match(message):
        index = (int(at["number"]) - 1,) if at["number"] else ()
        return (at["table"], *index, *([at["field"]] if at["field"] else []))
    if at := _BY_NAME.match(message):
        table = f"{at['table']}s"
        for number, entry in enumerate(tables.get(table, [])):
            name = entry.get("agent") if table == "agents" else f"{entry.get('tenant')}/{entry.get('name')}"
            if name == at["name"]:
                return (table, number, *([at["field"]] if at["field"] else []))
    return ()
