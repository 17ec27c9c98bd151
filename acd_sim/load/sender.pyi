from typing import final

COUNTED: tuple[str, ...]
MEASURED: tuple[str, ...]
FATE_NAMES: tuple[str, ...]
HISTOGRAM_COUNTS: int
SUB_BUCKET_BITS: int

def histogram_index(value: int) -> int: ...

@final
class Sender:
    def __init__(
        self,
        sockets: list[int],
        tails: list[list[bytes]],
        prefix: bytes,
        *,
        agents: int,
        capacity: int,
        weights: tuple[float, ...] = (1, 0, 0, 0),
        talk_ns: int = 0,
        exponential_talk: bool = False,
        poisson: bool = False,
        echo: bool = False,
        repeat: bool = False,
        awake: bool = False,
        seed: int = 1,
    ) -> None: ...
    @property
    def counts(self) -> dict[str, int]: ...
    @property
    def alive(self) -> int: ...
    @property
    def failure(self) -> str: ...
    @property
    def refusal(self) -> str: ...
    def histogram(self, which: int) -> bytes: ...
    def lost(self, most: int) -> list[str]: ...
    def stop(self) -> None: ...
    def run(self, seconds: float, *, rate: float = 0.0, depth: int = 0, most: int = -1) -> bool: ...
    def drain(self, seconds: float) -> bool: ...
