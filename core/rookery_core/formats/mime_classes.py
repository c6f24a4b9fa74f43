"""Message classes (PidTagMessageClass, MS-OXCMAIL 2.2.3) from the form of a message. Never raises."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rookery_core.formats import mime_calendar
from rookery_core.formats.mime_calendar import beginning

if TYPE_CHECKING:
    from rookery_core.formats.mime_structure import Entity

_PARTSTAT = re.compile(rb"PARTSTAT=\"?([A-Za-z-]{1,20})", re.IGNORECASE)
_TASK = re.compile(rb"^BEGIN:[ \t]{0,5}VTODO", re.MULTILINE | re.IGNORECASE)
_ACTION = re.compile(rb"^Action:[ \t]{0,5}([A-Za-z]{1,20})", re.MULTILINE | re.IGNORECASE)
_DELETED = re.compile(rb"^Disposition:[^\r\n]{0,200};[ \t]{0,5}deleted", re.MULTILINE | re.IGNORECASE)

_MEETING = {
    "REQUEST": "IPM.Schedule.Meeting.Request",
    "PUBLISH": "IPM.Schedule.Meeting.Request",
    "CANCEL": "IPM.Schedule.Meeting.Canceled",
    "COUNTER": "IPM.Schedule.Meeting.Resp.Tent",
}
_RESPONSE = {
    "ACCEPTED": "IPM.Schedule.Meeting.Resp.Pos",
    "DECLINED": "IPM.Schedule.Meeting.Resp.Neg",
    "TENTATIVE": "IPM.Schedule.Meeting.Resp.Tent",
}
_TASK_REQUEST = {"REQUEST": "IPM.TaskRequest", "CANCEL": "IPM.TaskRequest.Update"}
_TASK_RESPONSE = {"ACCEPTED": "IPM.TaskRequest.Accept", "DECLINED": "IPM.TaskRequest.Decline"}
_DELIVERY = {"failed": "REPORT.IPM.Note.NDR", "delayed": "REPORT.IPM.Note.Delayed"}


@dataclass(frozen=True, slots=True)
class Classification:
    """The message class, and the two marks that go with it."""

    message_class: str
    has_calendar: bool = False
    is_report: bool = False


def classify(raw: bytes, root: Entity) -> Classification:
    """The class of a message: a report (RFC 3464, RFC 8098), an iTIP message (RFC 6047), S/MIME (RFC 8551), or a plain note."""
    if not root.children:
        return _of_single(raw, root)
    if root.media_type == "multipart/report":
        report = _of_report(raw, root)
        if report:
            return Classification(report, is_report=True)
    if root.media_type == "multipart/signed" and "pkcs7-signature" in root.parameters.get("protocol", ""):
        return Classification("IPM.Note.SMIME.MultipartSigned")
    return _of_scheduling(raw, root) or Classification("IPM.Note")


def _of_single(raw: bytes, root: Entity) -> Classification:
    if root.media_type in {"application/pkcs7-mime", "application/x-pkcs7-mime"}:
        return Classification("IPM.Note.SMIME")
    return _of_scheduling(raw, root) or Classification("IPM.Note")


def _of_scheduling(raw: bytes, root: Entity) -> Classification | None:
    """The class for an iTIP message, a plain note for methods that have none; None for a message without a method."""
    found = mime_calendar.find(raw, root)
    if found is None:
        return None
    data = beginning(raw, found[0])
    message_class = _task(found[1], data) if _TASK.search(data) else _meeting(found[1], data)
    return Classification(message_class, has_calendar=True)


def _of_report(raw: bytes, root: Entity) -> str:
    for leaf in root.leaves():
        if leaf.media_type in {"message/delivery-status", "message/global-delivery-status"}:
            actions = [action.decode("ascii").lower() for action in _ACTION.findall(beginning(raw, leaf))]
            known = next((_DELIVERY[action] for action in _DELIVERY if action in actions), "")
            return known or ("REPORT.IPM.Note.DR" if actions else "REPORT.IPM.Note.NDR")
        if leaf.media_type in {"message/disposition-notification", "message/global-disposition-notification"}:
            return "REPORT.IPM.Note.IPNNRN" if _DELETED.search(beginning(raw, leaf)) else "REPORT.IPM.Note.IPNRN"
    return ""


def _meeting(method: str, data: bytes) -> str:
    if method == "REPLY":
        return _RESPONSE.get(_answer(data), "IPM.Schedule.Meeting.Resp.Tent")
    return _MEETING.get(method, "IPM.Note")


def _task(method: str, data: bytes) -> str:
    """MS-OXOTASK 2.2.5: what is neither asked nor answered with yes or no tells how far it is."""
    if method == "REPLY":
        return _TASK_RESPONSE.get(_answer(data), "IPM.TaskRequest.Update")
    return _TASK_REQUEST.get(method, "IPM.Note")


def _answer(data: bytes) -> str:
    found = _PARTSTAT.search(data.replace(b"\r\n ", b"").replace(b"\n ", b""))
    return found[1].decode("ascii").upper() if found else ""
