"""Options and fixtures of the benchmarks, and what is printed and written at their end."""

from pathlib import Path
from typing import Any

import pytest

from bench import report
from bench.sizes import SIZES, Size

_PARAMETERS = {
    "shape": "shapes",
    "model_shape": "model_shapes",
    "loop_shape": "loop_shapes",
    "feature_shape": "feature_shapes",
    "config_shape": "config_shapes",
    "depth": "depths",
    "rate": "rates",
    "group": "groups",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--size`, and `--quick` for short."""
    group = parser.getgroup("bench")
    group.addoption("--size", choices=list(SIZES), default="full", help="how much to measure (default: full)")
    group.addoption("--quick", action="store_const", const="quick", dest="size", help="the same as --size=quick")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Our own tables are printed instead of those of pytest-benchmark."""
    config.option.benchmark_quiet = True


def size_of(config: pytest.Config) -> Size:
    """The size that was asked for."""
    return SIZES[config.getoption("size")]


@pytest.fixture(scope="session")
def size(request: pytest.FixtureRequest) -> Size:
    """How much is measured."""
    return size_of(request.config)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One benchmark for each shape, depth and so on of the size."""
    for parameter, attribute in _PARAMETERS.items():
        if parameter in metafunc.fixturenames:
            metafunc.parametrize(parameter, getattr(size_of(metafunc.config), attribute), ids=str)


def pytest_benchmark_update_json(config: pytest.Config, output_json: dict[str, Any]) -> None:
    """Put what the tables say into the JSON file too."""
    output_json["size"] = size_of(config).name
    output_json["environment"] = report.environment()
    results = [{"group": entry["group"], **entry["extra_info"]} for entry in output_json["benchmarks"]]
    output_json["ratios"] = [ratio._asdict() for ratio in report.ratios(results)]
    output_json["growth"] = [row._asdict() for row in report.growth(results)]


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print the tables, and write them beside the JSON file."""
    results = [
        {"group": entry.group, **entry.extra_info}
        for entry in config._benchmarksession.benchmarks  # type: ignore[attr-defined]
        if entry.extra_info
    ]
    if not results:
        return
    text = report.text(size_of(config).name, results)
    terminalreporter.write_line(text)
    json_file = config.getoption("benchmark_json")
    if json_file is not None:
        path = Path(json_file).with_suffix(".md")
        path.write_text(text, encoding="utf-8")
        terminalreporter.write_line(f"written to {json_file} and {path}")
