from acd_core.commands import RequestId
from acd_core.views import Estimate

__pyx_capi__: dict[str, object]

def ok_line(
    seq: int, request_id: RequestId, duplicate: bool, position: int, estimate: Estimate | None = None
) -> bytes: ...
