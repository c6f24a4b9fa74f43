from __future__ import annotations

import shutil
import subprocess

import grpc
import grpc.aio
import pytest

from rookery.v1.folder_pb2 import Folder, ListFoldersResponse
from rookery_client import Client
from rookery_core import errors
from tests.support.client_fakes import QUICK, client_of, serve, tokens


async def folders(request, context):
    return ListFoldersResponse(folders=[Folder(name="Inbox")])


@pytest.fixture
def certificate(tmp_path):
    """A certificate for localhost that signs itself, as two PEM files."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed: it makes the certificate of this test")
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    words = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    subprocess.run(["openssl", *words.split(), "-keyout", key, "-out", cert], check=True, capture_output=True)
    return key, cert


@pytest.fixture
async def tls_server(certificate):
    """The port of a server with that certificate."""
    key, cert = certificate
    credentials = grpc.ssl_server_credentials([(key.read_bytes(), cert.read_bytes())])
    server, port = await serve({"FolderService.ListFolders": folders}, credentials=credentials)
    yield port
    await server.stop(None)


async def test_a_server_is_trusted_by_the_authorities_that_were_given(tls_server, certificate):
    async with Client.connect(f"localhost:{tls_server}", ca_file=certificate[1], tokens=tokens("1")) as client:
        assert [folder.name for folder in await client.folders.list()] == ["Inbox"]


async def test_a_server_that_nobody_vouches_for_is_refused(tls_server):
    async with Client.connect(f"localhost:{tls_server}", tls=True, tokens=tokens("1"), retry=QUICK) as client:
        with pytest.raises(errors.Unavailable, match="CERTIFICATE_VERIFY_FAILED"):
            await client.folders.list()


async def test_plain_text_is_never_tried_where_tls_was_asked_for():
    async with client_of({"FolderService.ListFolders": folders}, tls=True) as client:
        with pytest.raises(errors.Unavailable):
            await client.folders.list()
