"""What is read around the bytes of a download is what the message classes say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rookery.v1 import content_service_pb2 as pb
from rookery_client.client import content_pieces
from rookery_core.errors import DataLoss

INFO = pb.ContentInfo(total_bytes=1 << 40, media_type="text/plain", name="é.txt", content_revision=7, revision=9)
CHUNK = pb.ContentChunk(offset=1 << 40, size_bytes=300, encoding=pb.CONTENT_ENCODING_ZSTD, data=b"d" * 300)
ENCODED = pb.DownloadDocumentResponse(chunk=CHUNK).SerializeToString()
FIXED = b"\x7d\x01\x02\x03\x04" + b"\x79\x01\x02\x03\x04\x05\x06\x07\x08"  # fields 15, of four bytes and of eight

chunks = st.builds(
    pb.ContentChunk,
    offset=st.integers(0, (1 << 64) - 1),
    size_bytes=st.integers(0, (1 << 32) - 1),
    encoding=st.sampled_from([0, 1, 2]),
    data=st.binary(max_size=400),
)


@given(chunk=st.none() | chunks, with_info=st.booleans())
def test_a_message_says_what_its_class_reads(chunk: pb.ContentChunk | None, with_info: bool) -> None:
    message = pb.DownloadAttachmentResponse(info=INFO if with_info else None, chunk=chunk)
    info, piece = content_pieces.read(message.SerializeToString())
    assert info == (INFO if with_info else None)
    if chunk is None:
        assert piece is None
    else:
        assert piece is not None
        assert (piece.offset, piece.size, piece.encoding) == (chunk.offset, chunk.size_bytes, chunk.encoding)
        assert bytes(piece.data) == chunk.data


def test_fields_may_come_in_any_order_with_unknown_ones_between_them() -> None:
    data = b"\x22\x04four"
    chunk = data + FIXED + b"\x7a\x02hi" + b"\x10\x04" + b"\x78\x01" + b"\x08\x02"
    encoded = FIXED + b"\x12" + bytes([len(chunk)]) + chunk + pb.DownloadDocumentResponse(info=INFO).SerializeToString()
    info, piece = content_pieces.read(encoded)
    assert info == INFO
    assert piece is not None
    assert (piece.offset, piece.size, piece.encoding, bytes(piece.data)) == (2, 4, 0, b"four")


@pytest.mark.parametrize("length", range(1, len(ENCODED)))
def test_a_message_that_is_cut_off_is_damaged(length: int) -> None:
    with pytest.raises(DataLoss):
        content_pieces.read(ENCODED[:length])


@pytest.mark.parametrize(
    "encoded",
    [
        b"\x0b",
        b"\x12\x01\x0c",
        b"\x0a\x02\x0a\xff",
        b"\x0a\x04\x12\x02\xff\xfe",
        b"\x08" + b"\xff" * 20,
        FIXED[:4],
        FIXED[:9],
    ],
)
def test_what_is_no_message_is_damaged(encoded: bytes) -> None:
    with pytest.raises(DataLoss):
        content_pieces.read(encoded)
