from collections.abc import Callable

__pyx_capi__: dict[str, object]
monotonic_ns: Callable[[], int]
