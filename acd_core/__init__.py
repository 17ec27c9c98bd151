"""The door of the core: a deterministic routing machine, driven by commands and time."""

from acd_core.config import Config
from acd_core.engine import Engine
from acd_core.machine import Machine
from acd_core.refusals import Outcome

__all__ = ["Config", "Engine", "Machine", "Outcome"]
