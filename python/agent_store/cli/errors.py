"""What a user is told when something failed, always in one line; and the exit statuses."""

import contextlib
import re
import sys

FAILED, UNUSABLE, INTERRUPTED, PIPE = 1, 2, 130, 141
COMMANDS = {
    "without read_only=True one is made": "append makes one",
    "open it without read_only to make one in it": "append makes one in it",
    "open the file with read_only=True": "show, tail, heads, verify, copy and export read it as it is",
    "read_only=True opens it": "show, tail, heads, verify, copy and export read it",
    "verify the file with read_only=True": "agent-store verify lists all of it",
}
"""What is said to programs, and what is said here instead."""
# In whatever is said: an argument in the wrong place is quoted.
PASSWORD = re.compile(r"(postgres(?:ql)?://[^\s:@/]*:)\S*(@)|([?&](?:ssl)?password=)[^\s&'\"]*")


class Problem(Exception):
    """What a command itself has to say; `hint` is what to do about it."""

    def __init__(self, message: str, hint: str = "", *, status: int | None = None) -> None:
        super().__init__(f"{message}; {hint}" if hint else message)
        self.status = status


def tell(error: BaseException, failed: int) -> int:
    """Write the line; the exit status, `failed` where the error has none of its own."""
    line = " ".join("; ".join([_text(error), *getattr(error, "__notes__", ())]).split())
    line = PASSWORD.sub(r"\1***\2", line)
    shown = "".join(char if char.isprintable() else repr(char)[1:-1] for char in line)
    with contextlib.suppress(OSError):  # Nobody may be there to be told.
        print(f"agent-store: {shown}", file=sys.stderr)  # noqa: T201
    match error:
        case KeyboardInterrupt():
            return INTERRUPTED
        case ValueError():  # an argument that the store does not take
            return UNUSABLE
        case Problem(status=int(status)):
            return status
        case _:
            return failed


def _text(error: BaseException) -> str:
    # Only now: a call that succeeds needs none of it.
    from agent_store import errors

    match error:
        case KeyboardInterrupt():
            return "interrupted"
        case FileNotFoundError():
            return f"{error.filename} does not exist; append makes a store, but no directory"
        case IsADirectoryError():
            return f"{error.filename} is a directory, and a store is a file"
        case OSError(filename=None):
            return f"the output could not be written: {error.strerror}"
        case PermissionError():
            return f"{error.filename} may not be read by this user"
        case errors.BusyError():
            return f"gave up after {error.waited:.1f} s waiting for {error.what}; --timeout SECONDS waits longer"
        case errors.ReadOnlyStore():
            reason = error.detail.partition(": open")[0]  # What comes then is how a program would read it.
            return f"the store cannot be written: {reason}; show, tail, heads, verify and info read what is there"
        case errors.StoreError():
            text = str(error)
            for call, command in COMMANDS.items():
                text = text.replace(call, command)
            return text
        case Problem() | OSError() | ValueError() | OverflowError():
            return str(error)
        case _:
            return f"{type(error).__name__}: {error}; this is a defect of agent-store: please report it"
