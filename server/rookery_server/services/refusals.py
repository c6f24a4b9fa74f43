"""Refusals as they travel: ``google.rpc.Status`` with ErrorInfo (reason, metadata) and BadRequest (the field)."""

from __future__ import annotations

from google.rpc import code_pb2, error_details_pb2, status_pb2

from rookery_core import errors

DOMAIN = "rookery"
"""The ``domain`` of every ErrorInfo that comes from here."""

CODES: dict[type[errors.RookeryError], int] = {
    errors.InvalidArgument: code_pb2.INVALID_ARGUMENT,
    errors.NotFound: code_pb2.NOT_FOUND,
    errors.AlreadyExists: code_pb2.ALREADY_EXISTS,
    errors.FailedPrecondition: code_pb2.FAILED_PRECONDITION,
    errors.Stale: code_pb2.ABORTED,
    errors.OutOfRange: code_pb2.OUT_OF_RANGE,
    errors.Unauthenticated: code_pb2.UNAUTHENTICATED,
    errors.PermissionDenied: code_pb2.PERMISSION_DENIED,
    errors.ResourceExhausted: code_pb2.RESOURCE_EXHAUSTED,
    errors.Unavailable: code_pb2.UNAVAILABLE,
    errors.DataLoss: code_pb2.DATA_LOSS,
}
"""The one mapping of errors to status codes; the client's ``connection.status`` is its inverse."""


def rpc_status(error: errors.RookeryError) -> status_pb2.Status:
    """The error as a ``google.rpc.Status``."""
    status = status_pb2.Status(code=CODES.get(type(error), code_pb2.UNKNOWN), message=error.message)
    status.details.add().Pack(error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=error.metadata))
    if error.field:
        violation = error_details_pb2.BadRequest.FieldViolation(field=error.field, description=error.message)
        status.details.add().Pack(error_details_pb2.BadRequest(field_violations=[violation]))
    return status


def reason_of(status: status_pb2.Status) -> str:
    """The stable reason in a ``google.rpc.Status``; "" if there is none."""
    for detail in status.details:
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            return str(info.reason)
    return ""
