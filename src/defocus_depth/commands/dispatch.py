"""Turns a table of command modules into a command line that imports only the command it runs.

Exit codes: 0 done, 1 a verdict that says no, 2 bad usage or input (one line on stderr), 130 interrupted, 141 nobody
reads on what is written (`… | head`; silent).
"""

from __future__ import annotations

import errno
import importlib
import io
import json
import logging
import os
import select
import signal
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..atomic import check_place, replacing
from ..errors import ConfigError, DefocusDepthError, install_hint, one_line

EXIT_OK, EXIT_NEGATIVE, EXIT_BAD_INPUT = 0, 1, 2
EXIT_BROKEN_PIPE = 128 + 13  # as shells tell of programs that SIGPIPE ended

# Options that name a file for the outcome: where there can be none, that is told before the work.
_FILES = ("json", "timing_json", "junit")
_LEFT_TO_DOCTOR = "defocus_depth.inference.backends.absent"  # what auto does not find on this machine, run after run


@dataclass(frozen=True)
class Command:
    """Where a command lives (`module` holds `Options` and `run`), the line that lists it, and the extra it needs."""

    module: str
    summary: str
    extra: str = ""


def main(program: str, commands: Mapping[str, Command], argv: Sequence[str] | None = None) -> int:
    """Run the command that `argv` (default: the process's arguments) names; returns the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    _take_any_stdout()
    try:
        code = _dispatch(program, commands, arguments)
        sys.stdout.flush()  # here, not when the interpreter ends and can only complain
    except BrokenPipeError:
        if not _nobody_reads():
            raise
        _discard_output()
        return EXIT_BROKEN_PIPE
    except OSError as error:
        if error.errno != errno.ENOSPC or error.filename is not None:
            raise
        _discard_output()
        print(f"{program}: expected an output that can be written, got {error}", file=sys.stderr)
        return EXIT_BAD_INPUT
    return code


def _take_any_stdout() -> None:
    """None at all (a daemon's), or one whose encoding lacks our arrows: neither may cost the work that was done."""
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  (for as long as the process lives)
    elif isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def _dispatch(program: str, commands: Mapping[str, Command], arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_overview(program, commands))
        return EXIT_OK if arguments else EXIT_BAD_INPUT
    name, rest = arguments[0], arguments[1:]
    if name not in commands:
        print(f"{program}: expected one of {', '.join(commands)}, got {name!r}", file=sys.stderr)
        return EXIT_BAD_INPUT
    return _run(f"{program} {name}", commands[name], rest)


def _run(program: str, command: Command, arguments: list[str]) -> int:
    import tyro

    _log_to_stderr()
    try:
        module = importlib.import_module(command.module)
        options = tyro.cli(module.Options, prog=program, args=arguments, description=command.summary)
        for name in _FILES:
            if isinstance(path := getattr(options, name, None), Path):
                check_place(path)
        with _ended_by_sigterm():
            return module.run(options)
    except DefocusDepthError as error:
        print(f"{program}: {one_line(error)}", file=sys.stderr)
        return EXIT_BAD_INPUT
    except ModuleNotFoundError as error:
        remedy = install_hint(command.extra) if command.extra else error
        print(f"{program}: expected Python package {error.name!r}, which is not installed: {remedy}", file=sys.stderr)
        return EXIT_BAD_INPUT
    except KeyboardInterrupt:
        print(f"{program}: interrupted", file=sys.stderr)
        return 130
    except SystemExit as error:  # tyro: 0 after --help, 2 after bad usage; rich: 1 where nobody reads on
        if isinstance(error.__context__, BrokenPipeError):
            return EXIT_BROKEN_PIPE
        return error.code if isinstance(error.code, int) else EXIT_BAD_INPUT


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """SIGTERM ends the block as Ctrl-C does: what was started or half written goes with it."""
    if threading.current_thread() is not threading.main_thread():  # others may set no handlers
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)  # None: a handler that Python did not set


def _nobody_reads() -> bool:
    """Whether stdout is a pipe whose reader has gone: another broken pipe is a bug, whose traceback must be seen."""
    try:
        watch = select.poll()
        watch.register(sys.stdout.fileno(), 0)
        return any(flags & select.POLLERR for _, flags in watch.poll(0))
    except (OSError, ValueError):  # stdout was replaced or closed
        return False


def _discard_output() -> None:
    """What is still buffered would raise once more when the interpreter ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _log_to_stderr() -> None:
    """What our packages have to say, and only warnings of other libraries: an ONNX export notes every node it drops."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(lambda record: record.name != _LEFT_TO_DOCTOR or record.levelno >= logging.WARNING)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s", handlers=[handler])
    for package in ("defocus_depth", "defocus_training"):
        logging.getLogger(package).setLevel(logging.INFO)


def _overview(program: str, commands: Mapping[str, Command]) -> str:
    width = max(map(len, commands))
    lines = [f"  {name:<{width}}  {command.summary}" for name, command in commands.items()]
    return "\n".join([f"usage: {program} COMMAND [OPTIONS]   ({program} COMMAND --help)", "", *lines])


def write_json(path: Path | None, figures: Mapping[str, Any]) -> None:
    """Write `figures` to `path` atomically, sorted and indented; NaN is refused. Nothing when `path` is None."""
    if path is None:
        return
    try:
        text = json.dumps(figures, indent=2, sort_keys=True, allow_nan=False) + "\n"
        with replacing(path) as partial:
            partial.write_text(text, encoding="utf-8")
    except (OSError, ValueError) as error:
        raise ConfigError(f"--json {path}: expected a writable file and finite figures: {error}") from error
