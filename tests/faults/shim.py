"""A library that makes a server's disk fail on order; see `shim.c`."""

import os
import subprocess
from pathlib import Path

SOURCE = Path(__file__).with_name("shim.c")


class Shim:
    """The library, and the orders to it.

    Attributes:
        environment: for the server that it is to be in.
    """

    def __init__(self, directory: Path) -> None:
        library = directory / "shim.so"
        compiler = os.environ.get("CC") or "gcc"
        command = [compiler, "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", str(library), str(SOURCE), "-ldl"]
        subprocess.run(command, check=True)
        self._orders = directory / "orders"
        self._orders.write_text("")
        self._done = directory / "orders.done"
        # A build with a sanitizer has to be loaded before this one.
        preload = " ".join(filter(None, (os.environ.get("LD_PRELOAD"), str(library))))
        self.environment = {"LD_PRELOAD": preload, "ACD_SHIM": str(self._orders)}

    def order(self, operation: str, error: int, *, skip: int = 0, count: int = 1, file: str = "journal-0") -> None:
        """Let so many operations, `pwrite`, `write` or `sync`, on a file with `file` in its path go wrong after `skip` of
        them; `error` 0 for half a `pwrite`. Each process counts for itself.
        """
        draft = self._orders.with_name("orders.new")
        draft.write_text(f"{operation} {error} {skip} {count} {file}\n")
        draft.rename(self._orders)

    def relent(self) -> None:
        """No faults any more."""
        draft = self._orders.with_name("orders.new")
        draft.write_text("")
        draft.rename(self._orders)

    @property
    def faults(self) -> int:
        """How many operations went wrong."""
        return self._done.stat().st_size if self._done.exists() else 0
