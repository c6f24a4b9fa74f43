"""Calls that are answered within this process: a channel behind which there is no network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn, Protocol, cast

import grpc.aio

from rookery_client.connection.connection import Connection
from rookery_client.connection.retry import RetryPolicy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from google.protobuf.message import Message

    from rookery_client.connection.retry import Attempts
    from rookery_core.errors import RookeryError
    from rookery_core.rules.clock import Clock
    from rookery_core.rules.ids import Ids

_DEADLINE_SECONDS = 600.0


class Answers(Protocol):
    """Who answers. Whatever it raises of ``rookery_core.errors`` is what the call raises."""

    async def unary(self, request: Message) -> Message:
        """The response to a request; the request's type says which call it is."""
        ...

    def stream(self, request: Message) -> AsyncIterator[Message]:
        """The responses to a request."""
        ...

    def refusal(self, call: str) -> RookeryError:
        """Why a call that sends a stream, e.g. "Import", is not answered here."""
        ...


class LocalConnection(Connection):
    """A connection to somebody in this process. Nobody signs in, and nothing is tried again: the answer would be the same."""

    def __init__(self, answers: Answers, server: str, *, clock: Clock, ids: Ids) -> None:
        super().__init__(
            # The stubs ask a channel for no more than this one has.
            cast("grpc.aio.Channel", _Channel(answers)),
            server,
            clock=clock,
            ids=ids,
            chance=lambda: 0.0,
            retry=RetryPolicy(attempts=1, resumptions=1),
            deadline=_DEADLINE_SECONDS,
        )

    def attempts(self, *, signed_in: bool = True, deadline: float | None = None) -> Attempts:
        """See ``Connection``; without tokens."""
        del signed_in
        return super().attempts(signed_in=False, deadline=deadline)


class _Channel:
    """What the generated stubs need of ``grpc.aio.Channel``; and streams without a deserializer, which are of encoded messages."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers

    def unary_unary(self, _method: str, *_coders: Any, **_options: Any) -> Any:
        return lambda request, **_metadata: self._answers.unary(request)

    def unary_stream(self, _method: str, request_serializer: Any = None, response_deserializer: Any = None, **_options: Any) -> Any:
        del request_serializer
        encoded = response_deserializer is None
        return lambda request, **_metadata: _Stream(self._answers.stream(request), encoded=encoded)

    def stream_unary(self, method: str, *_coders: Any, **_options: Any) -> Any:
        return self._refused(method)

    def stream_stream(self, method: str, *_coders: Any, **_options: Any) -> Any:
        return self._refused(method)

    async def close(self, grace: float | None = None) -> None:
        """There is nothing to close."""

    def _refused(self, method: str) -> Callable[..., NoReturn]:
        def refuse(**_metadata: Any) -> NoReturn:
            raise self._answers.refusal(method.rpartition("/")[2])

        return refuse


class _Stream:
    """What those who read a stream need of its call."""

    def __init__(self, responses: AsyncIterator[Message], *, encoded: bool) -> None:
        self._responses = responses
        self._encoded = encoded

    async def read(self) -> object:
        """The next response, or ``grpc.aio.EOF``."""
        response = await anext(self._responses, None)
        if response is None:
            return grpc.aio.EOF
        return response.SerializeToString() if self._encoded else response

    def cancel(self) -> bool:
        """Nothing goes on by itself."""
        return False
