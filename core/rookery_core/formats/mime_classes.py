"""Message classes (PidTagMessageClass, MS-OXCMAIL 2.2.3) from the form of a message. Never raises."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rookery_core.formats.mime_transfer import IDENTITY, decode_part

if TYPE_CHECKING:
    from rookery_core.formats.mime_structure import Entity

_LOOKED_AT = 64 * 1024
"""Bytes of a report or a calendar part that are looked at."""

_METHOD = re.compile(rb"^METHOD:[ \t]{0,5}([A-Za-z]{1,20})", re.MULTILINE | re.IGNORECASE)
_PARTSTAT = re.compile(rb"PARTSTAT=\"?([A-Za-z-]{1,20})", re.IGNORECASE)
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
    for leaf in root.leaves():
        if leaf.media_type == "text/calendar":
            meeting = _meeting(raw, leaf)
            if meeting:
                return Classification(meeting, has_calendar=True)
    return Classification("IPM.Note")


def _of_single(raw: bytes, root: Entity) -> Classification:
    if root.media_type == "text/calendar":
        meeting = _meeting(raw, root)
        if meeting:
            return Classification(meeting, has_calendar=True)
    if root.media_type in {"application/pkcs7-mime", "application/x-pkcs7-mime"}:
        return Classification("IPM.Note.SMIME")
    return Classification("IPM.Note")


def _of_report(raw: bytes, root: Entity) -> str:
    for leaf in root.leaves():
        if leaf.media_type in {"message/delivery-status", "message/global-delivery-status"}:
            actions = [action.decode("ascii").lower() for action in _ACTION.findall(_beginning(raw, leaf))]
            known = next((_DELIVERY[action] for action in _DELIVERY if action in actions), "")
            return known or ("REPORT.IPM.Note.DR" if actions else "REPORT.IPM.Note.NDR")
        if leaf.media_type in {"message/disposition-notification", "message/global-disposition-notification"}:
            return "REPORT.IPM.Note.IPNNRN" if _DELETED.search(_beginning(raw, leaf)) else "REPORT.IPM.Note.IPNRN"
    return ""


def _meeting(raw: bytes, leaf: Entity) -> str:
    """The class for a calendar part's method, or "" where it has none: a calendar file, not a meeting's message."""
    data = _beginning(raw, leaf)
    declared = _METHOD.search(data)
    method = (leaf.parameters.get("method") or (declared[1].decode("ascii") if declared else "")).upper()
    if method == "REPLY":
        answer = _PARTSTAT.search(data.replace(b"\r\n ", b"").replace(b"\n ", b""))
        return _RESPONSE.get(answer[1].decode("ascii").upper() if answer else "", "IPM.Schedule.Meeting.Resp.Tent")
    return _MEETING.get(method, "IPM.Note" if method else "")


def _beginning(raw: bytes, leaf: Entity) -> bytes:
    data = raw[leaf.start : min(leaf.end, leaf.start + _LOOKED_AT)]
    return data if leaf.encoding == IDENTITY else decode_part(data, leaf.encoding)
