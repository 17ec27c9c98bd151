"""The specification: the whole behaviour of the engine in plain Python; see `acd_core.model.machine`."""

from acd_core.model.machine import Model

__all__ = ["Model"]
