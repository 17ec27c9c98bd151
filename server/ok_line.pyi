from acd_core.commands import RequestId

__pyx_capi__: dict[str, object]

def ok_line(seq: int, request_id: RequestId, duplicate: bool, position: int) -> bytes | None: ...
