"""Mail from other servers about meetings: as Outlook and Google write it, and in a plain form that a test can vary."""

from __future__ import annotations

import itertools
import re

FAR = "far@elsewhere.example"

_numbers = itertools.count(1)


def event(method: str = "REQUEST", **fields: str | list[str]) -> bytes:
    """An iTIP message: "SUMMARY", "DTSTART" and so on as keywords in lower case, their parameters after a ";"; several by a list.

    UID, times, organiser and one attendee are there unless they are given; "" leaves a field out. ``more`` is a further component.
    """
    more = fields.pop("more", "")
    whole = {
        "uid": "plan@elsewhere.example",
        "sequence": "0",
        "dtstamp": "20250615T120000Z",
        "dtstart": "20250624T120000Z",
        "dtend": "20250624T130000Z",
        "summary": "Planning",
        "organizer": f"mailto:{FAR}",
        "attendee": ";RSVP=TRUE;PARTSTAT=NEEDS-ACTION:mailto:anna@rookery.example",
        **fields,
    }
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Elsewhere//EN", f"METHOD:{method}", "BEGIN:VEVENT"]
    for name, values in whole.items():
        key = name.upper().replace("_", "-")
        given = [values] if isinstance(values, str) else values
        lines += [key + (value if value[0] == ";" else f":{value}") for value in given if value]
    lines += ["END:VEVENT", *([more] if isinstance(more, str) and more else []), "END:VCALENDAR", ""]
    return "\r\n".join(lines).encode()


def mail(calendar: bytes, *, sender: str = FAR, to: str = "anna@rookery.example", more: str = "") -> bytes:
    """A message that carries it: text for people, and text/calendar for programs. ``more`` are further header fields."""
    found = re.search(rb"METHOD:(\w+)", calendar)
    method = found[1].decode() if found else "REQUEST"
    number = next(_numbers)
    head = f"Message-ID: <{number}@elsewhere.example>\r\nFrom: <{sender}>\r\nTo: <{to}>\r\nSubject: {method} {number}\r\n{more}"
    body = (
        'MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary="b"\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n'
        f"A meeting.\r\n--b\r\nContent-Type: text/calendar; method={method}; charset=utf-8\r\n\r\n"
    )
    return (head + body).encode() + calendar + b"\r\n--b--\r\n"


OUTLOOK = """\
From: "Berg, Paula" <paula.berg@contoso.example>
To: Anna <anna@rookery.example>
Subject: Budget 2026
Thread-Topic: Budget 2026
Date: Fri, 13 Jun 2025 09:12:44 +0000
Message-ID: <AM0PR01MB4242@contoso.example>
Content-Language: de-DE
X-MS-Has-Attach:
Content-Type: multipart/alternative;
\tboundary="_000_AM0PR01MB4242_"
MIME-Version: 1.0

--_000_AM0PR01MB4242_
Content-Type: text/plain; charset="utf-8"
Content-Transfer-Encoding: quoted-printable

Bitte die Zahlen mitbringen.

--_000_AM0PR01MB4242_
Content-Type: text/html; charset="utf-8"
Content-Transfer-Encoding: quoted-printable

<html><body><p>Bitte die Zahlen mitbringen.</p></body></html>

--_000_AM0PR01MB4242_
Content-Type: text/calendar; charset="utf-8"; method=REQUEST
Content-Transfer-Encoding: 7bit

BEGIN:VCALENDAR
METHOD:REQUEST
PRODID:Microsoft Exchange Server 2010
VERSION:2.0
BEGIN:VTIMEZONE
TZID:W. Europe Standard Time
BEGIN:STANDARD
DTSTART:16010101T030000
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
RRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=-1SU;BYMONTH=10
END:STANDARD
BEGIN:DAYLIGHT
DTSTART:16010101T020000
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
RRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=-1SU;BYMONTH=3
END:DAYLIGHT
END:VTIMEZONE
BEGIN:VEVENT
ORGANIZER;CN="Berg, Paula":mailto:paula.berg@contoso.example
ATTENDEE;ROLE=REQ-PARTICIPANT;PARTSTAT=NEEDS-ACTION;RSVP=TRUE;CN=Anna:mailto
 :anna@rookery.example
DESCRIPTION;LANGUAGE=de-DE:Bitte die Zahlen mitbringen.\\n
UID:040000008200E00074C5B7101A82E00800000000D0A1C5B3C3DCDB01000000000000000
 010000000A1B2C3D4E5F60718293A4B5C6D7E8F90
SUMMARY;LANGUAGE=de-DE:Budget 2026
DTSTART;TZID=W. Europe Standard Time:20250625T100000
DTEND;TZID=W. Europe Standard Time:20250625T113000
CLASS:PUBLIC
PRIORITY:5
DTSTAMP:20250613T091243Z
TRANSP:OPAQUE
STATUS:CONFIRMED
SEQUENCE:0
LOCATION;LANGUAGE=de-DE:Raum 3
X-MICROSOFT-CDO-APPT-SEQUENCE:0
X-MICROSOFT-CDO-OWNERAPPTID:2122424242
X-MICROSOFT-CDO-BUSYSTATUS:TENTATIVE
X-MICROSOFT-CDO-INTENDEDSTATUS:BUSY
X-MICROSOFT-CDO-ALLDAYEVENT:FALSE
X-MICROSOFT-CDO-IMPORTANCE:1
X-MICROSOFT-CDO-INSTTYPE:0
X-MICROSOFT-DONOTFORWARDMEETING:FALSE
X-MICROSOFT-DISALLOW-COUNTER:FALSE
BEGIN:VALARM
DESCRIPTION:REMINDER
TRIGGER;RELATED=START:-PT15M
ACTION:DISPLAY
END:VALARM
END:VEVENT
END:VCALENDAR

--_000_AM0PR01MB4242_--
""".replace("\n", "\r\n").encode()
"""An invitation as Exchange sends it."""

GOOGLE = """\
Reply-To: Kim <kim@gmail.example>
Sender: Google Calendar <calendar-notification@google.example>
Message-ID: <calendar-42@google.example>
Date: Fri, 13 Jun 2025 10:00:01 +0000
Subject: Invitation: Standup @ Weekly from 9am to 9:15am on Monday (CEST) (anna@rookery.example)
From: Kim <kim@gmail.example>
To: anna@rookery.example
Content-Type: multipart/mixed; boundary="0000000000007e1f2a"
MIME-Version: 1.0

--0000000000007e1f2a
Content-Type: multipart/alternative; boundary="0000000000007e1f28"

--0000000000007e1f28
Content-Type: text/plain; charset="UTF-8"; format=flowed; delsp=yes

Standup
--0000000000007e1f28
Content-Type: text/calendar; charset="UTF-8"; method=REQUEST
Content-Transfer-Encoding: 7bit

BEGIN:VCALENDAR
PRODID:-//Google Inc//Google Calendar 70.9054//EN
VERSION:2.0
CALSCALE:GREGORIAN
METHOD:REQUEST
BEGIN:VTIMEZONE
TZID:Europe/Berlin
X-LIC-LOCATION:Europe/Berlin
BEGIN:DAYLIGHT
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
TZNAME:CEST
DTSTART:19700329T020000
RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU
END:DAYLIGHT
BEGIN:STANDARD
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
TZNAME:CET
DTSTART:19701025T030000
RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU
END:STANDARD
END:VTIMEZONE
BEGIN:VEVENT
DTSTART;TZID=Europe/Berlin:20250616T090000
DTEND;TZID=Europe/Berlin:20250616T091500
RRULE:FREQ=WEEKLY;BYDAY=MO
DTSTAMP:20250613T100000Z
ORGANIZER;CN=Kim:mailto:kim@gmail.example
UID:4tq9v0c7n1r8@google.com
ATTENDEE;CUTYPE=INDIVIDUAL;ROLE=REQ-PARTICIPANT;PARTSTAT=ACCEPTED;RSVP=TRUE
 ;CN=Kim;X-NUM-GUESTS=0:mailto:kim@gmail.example
ATTENDEE;CUTYPE=INDIVIDUAL;ROLE=REQ-PARTICIPANT;PARTSTAT=NEEDS-ACTION;RSVP=
 TRUE;CN=anna@rookery.example;X-NUM-GUESTS=0:mailto:anna@rookery.example
X-GOOGLE-CONFERENCE:https://meet.google.example/abc-defg-hij
CREATED:20250613T095930Z
DESCRIPTION:
LAST-MODIFIED:20250613T095959Z
LOCATION:
SEQUENCE:0
STATUS:CONFIRMED
SUMMARY:Standup
TRANSP:OPAQUE
END:VEVENT
END:VCALENDAR

--0000000000007e1f28--
--0000000000007e1f2a
Content-Type: application/ics; name="invite.ics"
Content-Disposition: attachment; filename="invite.ics"
Content-Transfer-Encoding: base64

QkVHSU46VkNBTEVOREFSDQpWRVJTSU9OOjIuMA0KRU5EOlZDQUxFTkRBUg0K

--0000000000007e1f2a--
""".replace("\n", "\r\n").encode()
"""An invitation to a series as Google Calendar sends it."""
