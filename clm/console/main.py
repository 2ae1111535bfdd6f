"""
The program ``wawel``: runs a command and turns whatever goes wrong into a line and an exit code.

0 done; 1 refused; 2 wrong usage; 3 not logged in; 4 no answer in time; 5 what was waited for failed; 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from clm.console.context import Console
from clm.console.problems import INTERRUPTED, OK, PIPE, REFUSED, Problem, one_line, structure, visible
from clm.console.root import COMPLETE, cli
from cm.rpc.errors import CloudError


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run a command line.

    :return: the exit code.
    """
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")  # a terminal that lacks a character is no reason to fail
    console = Console()
    try:
        code = run(list(sys.argv[1:] if arguments is None else arguments), console)
        sys.stdout.flush()
    except (BrokenPipeError, KeyboardInterrupt) as error:
        code = PIPE if isinstance(error, BrokenPipeError) else INTERRUPTED
    finally:
        console.close()
    if code == PIPE:
        # Python flushes once more when it ends, and would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code


def run(arguments: Sequence[str], console: Console) -> int:
    """
    Run one command, and tell what goes wrong.

    :raises BrokenPipeError: nobody reads what it prints.
    """
    if COMPLETE in os.environ:
        from clm.console.shells import complete

        complete(cli, console, os.environ[COMPLETE], arguments)
        return OK
    try:
        made = cli.main(list(arguments), prog_name="wawel", standalone_mode=False, obj=console)
        return made if isinstance(made, int) else OK
    except click.exceptions.Exit as error:
        return error.exit_code
    except SystemExit:
        raise BrokenPipeError from None  # click's way to end then
    except (click.Abort, KeyboardInterrupt, EOFError):
        return tell(click.ClickException("Interrupted."), console, arguments, INTERRUPTED)
    except click.ClickException as error:
        return tell(error, console, arguments)
    except CloudError as error:
        return tell(console.problem(error), console, arguments)
    except BrokenPipeError:
        raise
    except OSError as error:
        if console.options.debug:
            raise
        where = f": {error.filename}" if error.filename else ""
        return tell(Problem(f"{error.strerror or error}{where}.", REFUSED), console, arguments)
    except Exception as error:
        if console.options.debug:
            raise
        told = f"internal error ({type(error).__name__}). Please report it with what --debug shows."
        return tell(Problem(told, REFUSED), console, arguments)


def tell(
    error: click.ClickException, console: Console, arguments: Sequence[str] = (), code: int | None = None
) -> int:  # fmt: skip
    """One line of what is wrong, and one of what helps; for programs, the same as an object."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return error.exit_code
    code = error.exit_code if code is None else code
    message = one_line(" ".join(error.format_message().split()))
    hint = visible(error.hint) if isinstance(error, Problem) else ""
    if isinstance(error, click.UsageError) and error.ctx is not None:
        hint = f"Help: {error.ctx.command_path} --help"
    form = _form(console, arguments)
    if form == "table":
        interrupted = code == INTERRUPTED
        click.echo(f"\n{message}" if interrupted else f"wawel: {message}", err=True)
        if hint:
            click.echo(hint, err=True)
        return code
    from clm.console.output import as_json, as_yaml

    cause = error.error if isinstance(error, Problem) else None
    told = structure(message, code, hint, cause)
    click.echo(as_json(told, indent=None) if form == "json" else as_yaml(told).rstrip("\n"), err=True)
    return code


def _form(console: Console, arguments: Sequence[str]) -> str:
    """How answers are to be printed, which matters also for the error that kept the option from being read."""
    from clm.console.output import FORMATS, chosen

    if not console.options.output:
        for word, following in zip(arguments, [*arguments[1:], ""], strict=False):
            told = following if word in ("-o", "--output") else word.removeprefix("--output=").removeprefix("-o")
            if word.startswith(("-o", "--output")) and told in FORMATS:
                return told
    try:
        return chosen(console)
    except (Problem, OSError):
        return "table"


if __name__ == "__main__":
    sys.exit(main())
