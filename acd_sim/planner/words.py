"""Figures as people read them."""

from acd_sim.planner.summary import Cell


def shown(cell: Cell, unit: str, *, signed: bool = False, interval: bool = True) -> str:
    """A figure with its unit and interval, such as `81.3 % ± 0.4`."""
    if cell.mean is None:
        return "–"
    factor, suffix = (100.0, " points" if signed else " %") if unit == "%" else (1.0, " s" if unit == "s" else "")
    width = cell.half_width * factor if cell.half_width is not None else None
    digits = _digits(cell.mean * factor, width)
    text = f"{cell.mean * factor:{'+' if signed else ''},.{digits}f}{suffix}"
    if not interval or width is None or width == 0:
        return text
    return f"{text} ± {width:,.{digits}f}"


def _digits(value: float, width: float | None) -> int:
    """Digits behind the point: two that the interval leaves standing, at least one for small figures."""
    size = width or abs(value) / 100
    if size >= 5 or value == 0:
        return 0
    return 1 if size >= 0.1 else 2 if size >= 0.01 else 3
