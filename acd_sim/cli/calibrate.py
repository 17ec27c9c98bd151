"""`acd calibrate`: a scenario file from recorded calls."""

import argparse
import sys
from pathlib import Path

from rich.console import Console

from acd_protocol.cli import EXIT_INTERRUPTED, EXIT_USAGE, Command, add_json_option, fail, print_json
from acd_sim import recorded_calls
from acd_sim.cli.simulate import missing_extra
from acd_sim.recorded_calls import RecordError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `acd calibrate`."""
    parser.add_argument(
        "file", type=Path, metavar="FILE.csv[.gz]", help="recorded calls, with the columns that acd replay-calls reads"
    )
    parser.add_argument(
        "--output", type=Path, metavar="OUT.toml", help="write the scenario there (else to the terminal)"
    )
    add_json_option(parser)


def run(args: argparse.Namespace) -> int:
    """Carry `acd calibrate` out; gives the exit status."""
    if (sentence := missing_extra()) is not None:
        return fail(sentence, EXIT_USAGE)
    from acd_sim.scenario.calibrate import CalibrationError, calibrate

    try:
        record = recorded_calls.read(args.file)
        with Console(stderr=True).status(f"calibrating with {len(record.calls):,} calls"):
            text = calibrate(record, args.file.name)
    except (RecordError, CalibrationError) as error:
        return fail(str(error), EXIT_USAGE)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    try:
        if args.output is not None:
            args.output.write_text(text, "utf-8")
    except OSError as error:
        return fail(f"the scenario cannot be written: {error}")
    if args.json:
        print_json({"calls": len(record.calls), "bad_rows": len(record.bad), "scenario": text})
    elif args.output is None:
        sys.stdout.write(text)
    return 0


COMMAND = Command(
    name="calibrate",
    summary="Make a scenario file of an average working day from recorded calls.",
    example="acd calibrate calls.csv.gz --output bank.toml\nacd simulate bank.toml",
    add_arguments=add_arguments,
    run=run,
)
