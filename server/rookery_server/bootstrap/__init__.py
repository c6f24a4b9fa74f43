"""The one place that builds the server's parts and wires them. Takes fakes."""

from rookery_server.bootstrap.base import Edges, sqlite_file
from rookery_server.bootstrap.gateway import Gateway
from rookery_server.bootstrap.mail import CAPTURED
from rookery_server.bootstrap.server import Server

__all__ = ["CAPTURED", "Edges", "Gateway", "Server", "sqlite_file"]
