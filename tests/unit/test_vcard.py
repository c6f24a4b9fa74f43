"""What cards mean, and how changed contacts go back into them."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rookery.v1.contact_pb2 import (
    ContactAddress,
    ContactContext,
    ContactEmail,
    ContactName,
    ContactPhone,
    DistributionListMember,
    PartialDate,
    PhoneKind,
    Photo,
)
from rookery.v1.item_pb2 import ItemContent, ItemKind, ItemState, ItemSummary, Sensitivity
from rookery.v1.person_pb2 import Person
from rookery_core.errors import InvalidArgument
from rookery_core.formats import vcard
from rookery_core.rules import names, records

WORK, HOME = ContactContext.CONTACT_CONTEXT_WORK, ContactContext.CONTACT_CONTEXT_HOME


def card(*lines: str, version: str = "3.0") -> bytes:
    return "\r\n".join(("BEGIN:VCARD", f"VERSION:{version}", *lines, "END:VCARD", "")).encode()


def rendered(record: vcard.ItemRecord) -> str:
    return vcard.render(record.summary, record.state, record.content).decode().replace("\r\n ", "")


def same(again: vcard.ItemRecord, record: vcard.ItemRecord) -> bool:
    left, right = again.copy(), record.copy()
    for each in (left, right):
        each.content.ClearField("source")
        shown = each.summary.contact
        if each.summary.HasField("contact") and not shown.file_as:  # unset means what follows from the name
            shown.file_as = records.default_file_as(each.summary, each.content)
    return left == right


def reread(record: vcard.ItemRecord) -> vcard.ItemRecord:
    return vcard.parse(vcard.render(record.summary, record.state, record.content))


def test_a_card_of_vcard_2_1_is_kept_as_vcard_3() -> None:
    old = card(
        "N;CHARSET=ISO-8859-1;ENCODING=QUOTED-PRINTABLE:M=FCller;J=F6rg",
        "TEL;WORK;FAX:1",
        "NOTE;ENCODING=QUOTED-PRINTABLE:One, two=0D=0A=\r\nthree; four",
        "X-ODD;ENCODING=QUOTED-PRINTABLE:a=3Db",
        version="2.1",
    )
    record = vcard.parse(old)
    assert record.content.contact.name == ContactName(family="Müller", given="Jörg")
    assert record.summary.subject == "Jörg Müller"
    assert record.content.contact.phones[0] == ContactPhone(number="1", context=WORK, kind=PhoneKind.PHONE_KIND_FAX)
    assert record.content.body.text == "One, two\nthree; four"
    source = record.content.source.data.decode()
    assert "VERSION:3.0" in source and "TEL;TYPE=WORK,FAX:1" in source and "X-ODD:a=b" in source and "QUOTED" not in source
    assert rendered(record) == source.replace("\r\n ", "")


def test_a_folded_quoted_printable_line_of_a_split_file_is_whole() -> None:
    text = "Zwölf Boxkämpfer " * 12
    quoted = "".join(f"={byte:02X}" for byte in text.encode())
    data = card("FN:x", f"NOTE;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:{quoted}", version="2.1")
    (document,) = vcard.split(data).documents
    assert vcard.parse(document).content.body.text == text


@pytest.mark.parametrize(
    ("written", "date"),
    [
        ("BDAY:1980-03-22", PartialDate(year=1980, month=3, day=22)),
        ("BDAY:19800322T101112Z", PartialDate(year=1980, month=3, day=22)),
        ("BDAY:--0322", PartialDate(month=3, day=22)),
        ("BDAY:--03", PartialDate(month=3)),
        ("BDAY:---22", PartialDate(day=22)),
        ("BDAY:1980", PartialDate(year=1980)),
        ("BDAY:1980-03", PartialDate(year=1980, month=3)),
        ("BDAY;X-APPLE-OMIT-YEAR=1604:1604-03-22", PartialDate(month=3, day=22)),
        ("BDAY;VALUE=text:circa 1800", None),
        ("BDAY:1980-13-22", None),
    ],
)
def test_a_birthday_may_lack_parts(written: str, date: PartialDate | None) -> None:
    contact = vcard.parse(card("FN:x", written, version="4.0")).content.contact
    assert (contact.birthday if contact.HasField("birthday") else None) == date


@pytest.mark.parametrize("version", ["3.0", "4.0"])
def test_a_changed_number_keeps_what_else_its_line_said(version: str) -> None:
    record = vcard.parse(
        card("FN:x", "item1.TEL;TYPE=work,msg;X-ID=7:1", "item1.X-ABLabel:Desk", "TEL;TYPE=cell:2", version=version)
    )
    first = record.content.contact.phones[0]
    first.context, first.preferred = HOME, True
    text = rendered(record)
    preferred = "TYPE=HOME,PREF,MSG" if version == "3.0" else "TYPE=HOME,MSG;PREF=1"
    assert f"item1.TEL;X-ID=7;{preferred}:1\r\n" in text
    assert "item1.X-ABLabel:Desk" in text and "TEL;TYPE=cell:2" in text
    record.summary.contact.phone = "1"
    assert same(vcard.parse(text.encode()), record)


def test_a_label_goes_with_its_line() -> None:
    record = vcard.parse(
        card("FN:x", "item1.X-ABRELATEDNAMES:Jo", "item1.X-ABLabel:_$!<Spouse>!$_", "item2.URL:http://a", "item2.X-ABLabel:B")
    )
    assert record.content.contact.spouse == "Jo"
    record.content.contact.spouse = ""
    text = rendered(record)
    assert "item1" not in text and "item2.X-ABLabel:B" in text


def test_a_spouse_is_renamed_where_the_card_has_her() -> None:
    record = vcard.parse(card("FN:x", "item1.X-ABRELATEDNAMES:Jo", "item1.X-ABLabel:_$!<Spouse>!$_"))
    record.content.contact.spouse = "Jo Ann"
    assert "item1.X-ABRELATEDNAMES:Jo Ann\r\nitem1.X-ABLabel:_$!<Spouse>!$_" in rendered(record)


def test_two_titles_stay_two_when_the_first_is_changed() -> None:
    record = vcard.parse(card("FN:x", "TITLE;LANGUAGE=en:First", "TITLE:Second"))
    record.content.contact.job_title = "New"
    assert "TITLE;LANGUAGE=en:New\r\nTITLE:Second" in rendered(record)


@pytest.mark.parametrize("version", ["3.0", "4.0"])
def test_an_address_has_its_label_in_either_version(version: str) -> None:
    record = vcard.parse(card("FN:x", version=version))
    address = ContactAddress(context=WORK, street="A; B\nC", locality="D, E", country="F", label="A\nB “C”", preferred=True)
    record.content.contact.addresses.append(address)
    again = reread(record)
    assert again.content.contact.addresses[0] == address
    assert same(again, record)


def test_a_photo_within_is_read_from_all_three_forms() -> None:
    data = b"\xff\xd8\xff\xe0" + bytes(range(64))
    encoded = base64.b64encode(data).decode()
    forms = [
        card("FN:x", f"PHOTO;ENCODING=b;TYPE=JPEG:{encoded}"),
        card("FN:x", f"PHOTO;JPEG;ENCODING=BASE64:\r\n {encoded}\r\n", version="2.1"),
        card("FN:x", f"PHOTO:data:image/jpeg;base64,{encoded}", version="4.0"),
    ]
    for form in forms:
        record = vcard.parse(form)
        assert record.content.contact.photo == Photo(media_type="image/jpeg", data=data)
        assert record.summary.contact.has_photo


def test_a_photo_beyond_the_limit_stays_in_the_card_alone() -> None:
    encoded = base64.b64encode(b"\xff\xd8" + b"x" * 600_000).decode()
    record = vcard.parse(card("FN:x", f"PHOTO;ENCODING=b;TYPE=JPEG:{encoded}"))
    assert not record.content.contact.HasField("photo")
    record.summary.subject = "y"
    assert encoded in rendered(record)


def test_a_linked_photo_is_a_link() -> None:
    record = vcard.parse(card("FN:x", "PHOTO;VALUE=uri:http://example.org/me.png"))
    assert record.content.contact.photo == Photo(url="http://example.org/me.png")


@pytest.mark.parametrize(
    ("version", "kind", "member"), [("4.0", "KIND", "MEMBER"), ("3.0", "X-ADDRESSBOOKSERVER-KIND", "X-ADDRESSBOOKSERVER-MEMBER")]
)
def test_a_group_is_a_distribution_list(version: str, kind: str, member: str) -> None:
    source = card(
        "FN:Team", f"{kind}:group", f"{member};X-ID=1:mailto:Ann@EXAMPLE.org", f"{member}:urn:uuid:42", "UID:g", version=version
    )
    record = vcard.parse(source)
    members = record.content.distribution_list.members
    assert record.summary.kind == ItemKind.ITEM_KIND_DISTRIBUTION_LIST and record.summary.distribution_list.member_count == 2
    assert members[0].person.address == "Ann@example.org" and members[1].uri == "urn:uuid:42"
    members.append(DistributionListMember(person=Person(name="Bob", address="bob@example.org")))
    text = rendered(record)
    assert f"{member};X-ID=1:mailto:Ann@EXAMPLE.org" in text and f"{member};X-CN=Bob:mailto:bob@example.org" in text
    record.summary.distribution_list.member_count = 3
    assert same(vcard.parse(text.encode()), record)


def test_a_list_made_here_comes_back() -> None:
    record = vcard.ItemRecord.empty(ItemKind.ITEM_KIND_DISTRIBUTION_LIST)
    record.summary.subject = "Team"
    record.summary.sensitivity = Sensitivity.SENSITIVITY_PRIVATE
    record.summary.distribution_list.member_count = 1
    record.content.distribution_list.list_uid = "g"
    record.content.distribution_list.members.add(person=Person(name="Ann, B", address="ann@example.org"))
    record.content.body.SetInParent()
    assert same(reread(record), record)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "no complete"),
        (b"Hello", "no complete"),
        (b"BEGIN:VCARD\r\nFN:x\r\n", "no complete"),
        (card("UID:1"), "empty"),
        (card("FN:x") + card("FN:y"), "several"),
        (card("FN:x", "NOTE:" + "x" * (1 << 20)), "1,048,576"),
    ],
)
def test_a_card_that_is_none_is_refused_with_what_is_wrong(data: bytes, told: str) -> None:
    with pytest.raises(InvalidArgument) as error:
        vcard.parse(data)
    assert error.value.reason == "DOCUMENT_INVALID" and told in error.value.message


def test_what_is_no_card_is_told_beside_the_cards() -> None:
    split = vcard.split(card("FN:x") + b"BEGIN:VNOTE\r\nEND:VNOTE\r\nBEGIN:VCARD\r\nFN:Half\r\n")
    assert len(split.documents) == 1
    assert [skipped.what for skipped in split.skipped] == ["VNOTE", "VCARD “Half”"]
    with pytest.raises(InvalidArgument):
        vcard.split(b"BEGIN:VNOTE\r\nEND:VNOTE\r\n")


def test_messengers_become_uris_and_stay_where_they_were() -> None:
    record = vcard.parse(card("FN:x", "X-AIM;TYPE=HOME:ann", "IMPP:xmpp:ann@example.org", "X-MS-IMADDRESS:ann@corp"))
    assert list(record.content.contact.instant_messaging) == ["aim:ann", "xmpp:ann@example.org", "ann@corp"]
    record.content.contact.instant_messaging.append("skype:ann")
    text = rendered(record)
    assert "X-AIM;TYPE=HOME:ann" in text and "IMPP:skype:ann" in text
    assert same(vcard.parse(text.encode()), record)


def test_other_kinds_have_no_card() -> None:
    with pytest.raises(InvalidArgument) as error:
        vcard.render(ItemSummary(kind=ItemKind.ITEM_KIND_TASK), ItemState(), ItemContent())
    assert error.value.reason == "KIND_MISMATCH"


words = st.text(st.characters(exclude_categories=("Cc", "Cs", "Z")) | st.just(" "), max_size=20).map(
    lambda text: " ".join(text.split())
)
filled = words.filter(bool)
contexts = st.sampled_from([0, 1, 2, 3])
dates = st.one_of(
    st.builds(PartialDate, year=st.integers(1, 9999), month=st.integers(1, 12), day=st.integers(1, 28)),
    st.builds(PartialDate, month=st.integers(1, 12), day=st.integers(1, 28)),
    st.builds(PartialDate, year=st.integers(1, 9999)),
)
emails = st.builds(
    ContactEmail, address=st.from_regex(r"[a-z;,]{1,9}@[a-z]{1,9}\.org", fullmatch=True), context=contexts, preferred=st.booleans()
)
phones = st.builds(
    ContactPhone,
    number=st.from_regex(r"[+0-9 ;=ext]{1,12}", fullmatch=True).map(str.strip).filter(bool),
    context=contexts,
    kind=st.sampled_from(PhoneKind.values()),
    preferred=st.booleans(),
)
addresses = st.builds(
    ContactAddress, context=contexts, street=filled, locality=words, postal_code=words, country=words, preferred=st.booleans()
)


@st.composite
def contacts(draw: st.DrawFn) -> vcard.ItemRecord:
    record = vcard.ItemRecord.empty(ItemKind.ITEM_KIND_CONTACT)
    record.summary.subject = draw(filled)
    record.summary.contact.file_as = draw(words)
    record.content.body.text = draw(st.text(st.characters(exclude_categories=("Cc", "Cs"), include_characters="\n\t")))
    contact = record.content.contact
    name = ContactName(given=draw(words), family=draw(words), suffix=draw(words), phonetic_given=draw(words))
    if name != ContactName():
        contact.name.CopyFrom(name)
    contact.emails.extend(draw(st.lists(emails, max_size=4)))
    contact.phones.extend(draw(st.lists(phones, max_size=4)))
    contact.addresses.extend(draw(st.lists(addresses, max_size=3)))
    contact.company = draw(words)
    contact.job_title = draw(words)
    contact.office = draw(words)
    contact.manager = draw(words)
    contact.children.extend(draw(st.lists(filled, max_size=3)))
    for field in (contact.birthday, contact.anniversary):
        if draw(st.booleans()):
            field.CopyFrom(draw(dates))
    contact.contact_uid = draw(words)
    if draw(st.booleans()):
        contact.photo.CopyFrom(Photo(media_type="image/png", data=draw(st.binary(min_size=1))))
    summary = record.summary.contact
    summary.email = contact.emails[0].address if contact.emails else ""
    preferred = [phone.number for phone in contact.phones if phone.preferred]
    summary.phone = next(iter([*preferred, *(phone.number for phone in contact.phones)]), "")
    summary.company, summary.has_photo = contact.company, contact.HasField("photo")
    record.state.categories.extend(names.categories(draw(st.lists(filled, max_size=3))))
    return record


@given(contacts())
def test_a_contact_made_here_comes_back_from_its_card(record: vcard.ItemRecord) -> None:
    assert same(reread(record), record)


@given(contacts(), contacts(), st.sampled_from([b"VERSION:3.0", b"VERSION:4.0"]))
def test_a_contact_changed_in_every_field_comes_back_from_its_old_card(
    first: vcard.ItemRecord, second: vcard.ItemRecord, version: bytes
) -> None:
    source = vcard.render(first.summary, first.state, first.content).replace(b"VERSION:4.0", version)
    second.content.source.CopyFrom(vcard.parse(source).content.source)
    assert same(reread(second), second)


fragments = st.sampled_from(
    [
        *(
            "BEGIN:VCARD",
            "END:VCARD",
            "VERSION:2.1",
            "VERSION:3.0",
            "VERSION:4.0",
            "FN:x",
            "N:;;,",
            "ADR:;;;",
            "ORG:;",
            "BDAY:--",
            "TEL;a:1",
        ),
        *(
            "PHOTO;ENCODING=b:====",
            "PHOTO:data:;base64,a",
            "NOTE;ENCODING=QUOTED-PRINTABLE:=",
            "NOTE;QUOTED-PRINTABLE;CHARSET=idna:=FF",
            "=",
        ),
        *(
            " ",
            "\t",
            ":",
            ';"',
            "item1.X-ABLabel:",
            "item1.URL:x",
            "KIND:group",
            "MEMBER:mailto:",
            "CATEGORIES:;,",
            "REV:00010101",
            "\x00",
        ),
    ]
)


@given(
    st.one_of(
        st.binary(),
        st.lists(st.one_of(fragments, st.text(max_size=9))).map(lambda parts: "\r\n".join(parts).encode("utf-8", "replace")),
    )
)
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for read in (vcard.parse, lambda given: [vcard.parse(one) for one in vcard.split(given).documents]):
        try:
            read(data)
        except InvalidArgument as error:
            reason = error.reason
            assert reason == "DOCUMENT_INVALID"


@pytest.mark.parametrize("version", ["3.0", "4.0"])
def test_a_name_to_sort_by_that_was_only_filled_in_is_not_written_into_the_card(version: str) -> None:
    document = card("N:Lovelace;Ada;;;", "FN:Ada Lovelace", "UID:urn:uuid:1", version=version)
    record = vcard.parse(document)
    records.complete(record.summary, record.content, bytes(16))
    assert record.summary.contact.file_as == "Lovelace, Ada"
    assert vcard.render(record.summary, record.state, record.content) == document
    record.summary.contact.file_as = "Countess"
    assert b"Countess" in vcard.render(record.summary, record.state, record.content)
