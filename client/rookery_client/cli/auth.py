"""Signing in and out, sessions, the password."""

from __future__ import annotations

import platform
import sys
from typing import TYPE_CHECKING

import click

from rookery_client.cli.json_view import emit, identifier, view
from rookery_client.cli.profiles import Profile
from rookery_client.cli.session import Session, pass_session
from rookery_client.cli.terminal import clean, moment, table
from rookery_core.errors import InvalidArgument, Unauthenticated
from rookery_core.rules.ids import parse, text_of

if TYPE_CHECKING:
    from rookery.v1.auth_service_pb2 import Identity, LoginResponse
    from rookery.v1.auth_service_pb2 import Session as SignedIn
    from rookery_client import Client


@click.command()
@click.argument("address")
@click.option("--server", metavar="HOST:PORT", help="The server; the profile's own where left out.")
@click.option("--ca", "ca_file", type=click.Path(dir_okay=False, resolve_path=True), help="Trust the authorities in this PEM file.")
@click.option("--insecure", is_flag=True, help="Allow plain text to another machine: passwords can be read on the way.")
@click.option("--password-stdin", is_flag=True, help="Read the password from the first line of stdin.")
@click.option("--device", metavar="NAME", help="What to call this device in the list of sessions.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_session
def login(
    session: Session,
    address: str,
    server: str | None,
    ca_file: str | None,
    insecure: bool,
    password_stdin: bool,
    device: str | None,
    as_json: bool,
) -> None:
    """Sign in and keep the sign-in in the profile."""
    known = session.profiles.find(session.name)
    if server is None:
        if known is None:
            raise click.UsageError("Missing option '--server': this profile knows no server yet.")
        server, ca_file, insecure = known.server, ca_file or known.ca_file, insecure or known.insecure
    profile = Profile(server=server, address=address, ca_file=ca_file, insecure=insecure)
    password = _password("Password", stdin=password_stdin)

    async def work(client: Client) -> LoginResponse:
        response = await client.login(address, password, device or f"rookery on {platform.node() or 'a device'}")
        kept = Profile(server=server, address=address, ca_file=ca_file, insecure=insecure, tokens=response.tokens)
        session.profiles.put(session.name, kept)
        return response

    identity = session.run_as(profile, work).identity
    if as_json:
        emit({"profile": session.name, "server": server, "identity": view(identity)})
    else:
        click.echo(f"Signed in to {server} as {clean(_named(identity))}.", err=True)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_session
def logout(session: Session, as_json: bool) -> None:
    """Sign out and forget the sign-in."""
    profile = session.profiles.get(session.name)
    if profile.tokens is not None:
        try:
            session.run(lambda client: client.logout())
        except Unauthenticated:
            # The session has ended already; what is left is to forget it.
            session.profiles.save_tokens(session.name, profile.address, None)
    if as_json:
        emit({"profile": session.name, "server": profile.server, "address": profile.address})
    else:
        click.echo("Signed out.", err=True)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_session
def whoami(session: Session, as_json: bool) -> None:
    """Tell who is signed in."""
    identity = session.run(lambda client: client.auth.who_am_i())
    if as_json:
        emit({"profile": session.name, "server": session.profiles.get(session.name).server, "identity": view(identity)})
    else:
        click.echo(clean(_named(identity)) + (" (administrator)" if identity.administrator else ""))


@click.group()
def sessions() -> None:
    """List and end the devices that are signed in."""


@sessions.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_session
def list_sessions(session: Session, as_json: bool) -> None:
    """List the devices that are signed in, the last used first."""
    found: list[SignedIn] = session.run(lambda client: client.auth.sessions())
    if as_json:
        emit({"sessions": [view(each) for each in found]})
        return
    table(
        ["Device", "Signed in", "Last used", "From", "ID"],
        [
            (
                each.device_name + (" (this one)" if each.current else ""),
                moment(each.created),
                moment(each.last_seen),
                each.peer,
                text_of(each.id),
            )
            for each in found
        ],
        cut=["Device"],
        drop=["From", "Signed in"],
    )


@sessions.command()
@click.argument("session_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_session
def revoke(session: Session, session_id: str, as_json: bool) -> None:
    """Sign a device out."""
    wanted = parse(session_id)
    session.run(lambda client: client.auth.revoke_session(wanted))
    if as_json:
        emit({"session_id": identifier(wanted)})
    else:
        click.echo("The device is signed out.", err=True)


@click.command()
@click.option("--password-stdin", is_flag=True, help="Read the old and the new password from two lines of stdin.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_session
def passwd(session: Session, password_stdin: bool, as_json: bool) -> None:
    """Change the password; all other devices are signed out."""
    old = _password("Current password", stdin=password_stdin)
    new = _password("New password", stdin=password_stdin, confirm=True)
    session.run(lambda client: client.auth.change_password(old, new))
    if as_json:
        emit({"profile": session.name, "address": session.profiles.get(session.name).address})
    else:
        click.echo("The password is changed; other devices are signed out.", err=True)


def _password(prompt: str, *, stdin: bool, confirm: bool = False) -> str:
    try:
        if stdin:
            password = sys.stdin.readline().rstrip("\r\n")
        else:
            password = str(click.prompt(prompt, hide_input=True, confirmation_prompt=confirm, err=True))
        password.encode("utf-8")
    except UnicodeError:
        raise InvalidArgument("FIELD_INVALID", "the password is not UTF-8") from None
    if not password:
        raise InvalidArgument("FIELD_INVALID", "the password is empty")
    return password


def _named(identity: Identity) -> str:
    return f"{identity.display_name} <{identity.address}>" if identity.display_name else identity.address


COMMANDS = (login, logout, whoami, sessions, passwd)
