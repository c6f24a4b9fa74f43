"""gRPC status back to the exceptions of ``rookery_core.errors``: the client's half of the error contract."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from google.rpc import error_details_pb2, status_pb2

from rookery_core import errors

if TYPE_CHECKING:
    import grpc
    import grpc.aio

DETAILS_KEY = "grpc-status-details-bin"
DOMAIN = "rookery"

_NOISE = re.compile(r"^failed to connect to all addresses; last error: \w+: (?:\S+: )?(?:Failed to connect to remote host: )?")
"""What gRPC says before it comes to the point."""

_CLASSES: dict[int, type[errors.RookeryError]] = {
    3: errors.InvalidArgument,
    5: errors.NotFound,
    6: errors.AlreadyExists,
    7: errors.PermissionDenied,
    8: errors.ResourceExhausted,
    9: errors.FailedPrecondition,
    10: errors.Stale,
    11: errors.OutOfRange,
    14: errors.Unavailable,
    15: errors.DataLoss,
    16: errors.Unauthenticated,
}
"""By status code (google.rpc.Code)."""


def error_of_call(error: grpc.aio.AioRpcError, server: str) -> errors.RookeryError:
    """The exception that a failed call stands for. `server` is named in what people read."""
    return error_of_status_parts(error.code(), error.details() or "", error.trailing_metadata(), server)


def error_of_status_parts(
    code: grpc.StatusCode, details: str, trailing: grpc.aio.Metadata | None, server: str
) -> errors.RookeryError:
    """The same of a status taken apart."""
    packed = trailing.get(DETAILS_KEY) if trailing is not None else None
    if isinstance(packed, bytes):
        return error_of_status(status_pb2.Status.FromString(packed))
    return _error_without_details(int(code.value[0]), details, server)


def error_of_status(status: status_pb2.Status) -> errors.RookeryError:
    """The exception that a google.rpc.Status stands for: its ErrorInfo gives reason and metadata, its BadRequest the field."""
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    for detail in status.details:
        if detail.Is(info.DESCRIPTOR):
            detail.Unpack(info)
        elif detail.Is(bad.DESCRIPTOR):
            detail.Unpack(bad)
    if info.domain != DOMAIN:
        return _error_without_details(status.code, status.message, "the server")
    field = bad.field_violations[0].field if bad.field_violations else None
    kind = _CLASSES.get(status.code, errors.RookeryError)
    return kind(info.reason, status.message, metadata=dict(info.metadata), field=field)


def _error_without_details(code: int, details: str, server: str) -> errors.RookeryError:
    """What gRPC itself, or something between here and the server, refused."""
    said = _NOISE.sub("", " ".join(details.split()))[:300]
    if code in {1, 14}:
        return errors.Unavailable("SERVER_UNREACHABLE", f"no answer from {server}: is the server running there? ({said})")
    if code == 4:
        return errors.Unavailable("DEADLINE_EXCEEDED", f"{server} did not answer in time; try again")
    if code == 8:
        return errors.ResourceExhausted("MESSAGE_TOO_LARGE", f"the message is larger than {server} takes ({said})")
    if code == 12:
        return errors.RookeryError("SERVER_FAILED", f"{server} does not offer this call: is it an older version? ({said})")
    kind = _CLASSES.get(code, errors.RookeryError)
    return kind("SERVER_FAILED", f"{server} failed: {said or 'no reason given'}")
