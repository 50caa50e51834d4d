"""A channel whose answers a test decides."""

from collections.abc import Awaitable, Callable

from connector.channels.protocol import Accepted, OutgoingMessage


class Killed(BaseException):
    """The process is gone: nothing after this line runs."""


class FakeChannel:
    """Records messages and gives the next of `answers`, whose last one is repeated; `meanwhile` runs before.

    Args:
        answers: what `send` returns or raises.
    """

    def __init__(self, *answers: Accepted | BaseException) -> None:
        self.answers = list(answers) or [Accepted("p-1")]
        self.messages: list[OutgoingMessage] = []
        self.meanwhile: Callable[[OutgoingMessage], Awaitable[None]] | None = None
        self.closed = False

    @property
    def users(self) -> list[str]:
        """The users to whom messages went, in their order."""
        return [message.address.user_id for message in self.messages]

    async def send(self, message: OutgoingMessage) -> Accepted:
        self.messages.append(message)
        if self.meanwhile is not None:
            await self.meanwhile(message)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, BaseException):
            raise answer
        return answer

    async def close(self) -> None:
        self.closed = True
