"""The actor of the command line, for the audit trail."""

from __future__ import annotations

import os
import socket

from connector.rules.model.audit import Actor, ActorKind


def command_line_actor() -> Actor:
    """Return the user of the operating system, whom no environment variable can change, and this host."""
    return Actor(ActorKind.COMMAND_LINE, _user_name(), origin=socket.gethostname())


def _user_name() -> str:
    try:
        import pwd  # not on Windows
    except ImportError:
        return os.getlogin()
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container's user may have no name
        return f"uid {os.getuid()}"
