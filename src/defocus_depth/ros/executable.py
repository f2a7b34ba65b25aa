"""What every node's executable does: start, spin, and end cleanly on SIGINT and SIGTERM."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import rclpy
from rclpy.exceptions import NameValidationException, ParameterException
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.utilities import ok, remove_ros_args, try_shutdown

from ..errors import ConfigError, DefocusDepthError, one_line
from .log_bridge import library_log_in
from .parameters import ParameterSpec, parameter_specs

EXIT_OK, EXIT_BAD_INPUT = 0, 2
NodeType = TypeVar("NodeType", bound=Node)


def run_node(
    create: Callable[[], NodeType],
    parameters: type[Any],
    args: list[str] | None = None,
    start: Callable[[NodeType], None] | None = None,
) -> int:
    """Spin a node until a signal or a shutdown from outside.

    Args:
        create: makes the node, after rclpy was initialised.
        parameters: the node's, for `--help`.
        args: command line without the program's name; None: the process's own.
        start: called with the node before it spins.

    Returns:
        The exit code: 0 after a signal or `--help`; 2 where arguments or parameters were refused (one line on stderr).
    """
    arguments = sys.argv[1:] if args is None else args
    try:
        if {"-h", "--help"} & set(arguments):
            print(usage(parameters))
        else:
            _initialise(arguments)
            _spin(create, start)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except DefocusDepthError as error:
        print(f"{sys.argv[0]}: {error}", file=sys.stderr)
        return EXIT_BAD_INPUT
    return EXIT_OK


def usage(parameters: type[Any]) -> str:
    """How to start a node, with a line for each parameter."""
    program = Path(sys.argv[0]).name
    head = f"usage: {program} [--ros-args [-p NAME:=VALUE]... [-r FROM:=TO]... [--params-file FILE]]\n\nparameters:"
    return "\n".join([head, *map(_described, parameter_specs(parameters))])


def _described(spec: ParameterSpec) -> str:
    values = f"; {spec.constraint}" if spec.constraint else ""
    return f"  {spec.name} (default {spec.default!r}{values})\n      {spec.description}"


def _initialise(arguments: list[str]) -> None:
    """rclpy for these arguments.

    Raises:
        ConfigError: arguments that rclpy does not understand, or that are not for it.
    """
    try:
        unknown = remove_ros_args(["", *arguments])[1:]
        if not unknown:
            rclpy.init(args=arguments)
    except Exception as error:  # rclpy has several kinds for what cannot be parsed
        raise ConfigError(
            f"expected arguments and environment that ROS takes, got {arguments}: {one_line(error)}"
        ) from error
    if unknown:
        raise ConfigError(f"expected no arguments but those behind --ros-args, got {unknown}; see --help")


def _spin(create: Callable[[], NodeType], start: Callable[[NodeType], None] | None) -> None:
    node = None
    try:
        node = _created(create)
        with library_log_in(node.get_logger()):
            if start:
                start(node)
            executor = SingleThreadedExecutor()
            executor.add_node(node)
            executor.spin()
    except DefocusDepthError:
        raise
    except Exception:
        if ok():
            raise  # otherwise a signal shut the context down under a callback that was publishing
    finally:
        if node:
            node.destroy_node()
        try_shutdown()


def _created(create: Callable[[], NodeType]) -> NodeType:
    try:
        return create()
    except (NameValidationException, ParameterException) as error:
        raise ConfigError(one_line(error)) from error
