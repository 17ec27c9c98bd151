from typing import final

from acd_core.config import Config
from acd_core.engine import Engine

class SimulationError(Exception): ...

@final
class Driver:
    engine: Engine
    def __init__(self, config: Config, now: int, agents: list[str]) -> None: ...
