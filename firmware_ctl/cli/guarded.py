"""Expected trouble becomes a sentence on standard error and an exit code."""

import sys
from collections.abc import Callable
from errno import EAGAIN, EMFILE, ENFILE, ENOMEM

from firmware_ctl.cli.journal import is_journal, prefix
from firmware_ctl.errors import AuthorError, ErrorLine, FirmwareError


def guarded(command: Callable[[], int]) -> int:
    """Runs a command; turns an expected error into a sentence on stderr and an exit code."""
    try:
        return command()
    except AuthorError as error:
        from firmware_ctl.cli.mistakes import print_mistakes

        print_mistakes([error], checked=1)
    except FirmwareError as error:
        _report(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except (OSError, RuntimeError) as error:
        sentence = _exhausted(error)
        if not sentence:
            raise
        _report(sentence)
    return 2


def _report(sentence: str) -> None:
    line = ErrorLine(f"firmware-ctl: {sentence}")
    print(f"{prefix(line) if is_journal(2) else ''}{line}", file=sys.stderr)


def _exhausted(error: Exception) -> str:
    """The sentence for an error that says that the machine has run out; empty for other errors."""
    if isinstance(error, OSError) and error.errno in (EMFILE, ENFILE):
        return "no file can be opened any more; end other programs, or raise `ulimit -n`"
    # Python raises RuntimeError for a thread, the kernel EAGAIN for a process.
    is_a_thread = "start new thread" in str(error)
    if is_a_thread or (isinstance(error, OSError) and error.errno == EAGAIN):
        return "no process can be started any more; end other programs, or raise `ulimit -u`"
    if isinstance(error, OSError) and error.errno == ENOMEM:
        return "no memory is left; end other programs"
    return ""
