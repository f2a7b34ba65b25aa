"""What every node's executable does: start, spin, and end cleanly on SIGINT and SIGTERM."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TypeVar

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.utilities import ok, try_shutdown

from ..errors import DefocusDepthError
from .log_bridge import library_log_in

EXIT_OK, EXIT_BAD_INPUT = 0, 2
NodeType = TypeVar("NodeType", bound=Node)


def run_node(
    create: Callable[[], NodeType], args: list[str] | None = None, start: Callable[[NodeType], None] | None = None
) -> int:
    """Spin a node until a signal or a shutdown from outside.

    Args:
        create: makes the node, after rclpy was initialised.
        args: command line; None: the process's own.
        start: called with the node before it spins.

    Returns:
        The exit code: 0 after a signal; 2 where the node refused its parameters (one line on stderr).
    """
    node = None
    try:
        rclpy.init(args=args)
        node = create()
        with library_log_in(node.get_logger()):
            if start:
                start(node)
            executor = SingleThreadedExecutor()
            executor.add_node(node)
            executor.spin()
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except DefocusDepthError as error:
        print(f"{sys.argv[0]}: {error}", file=sys.stderr)
        return EXIT_BAD_INPUT
    except Exception:
        if ok():
            raise  # otherwise a signal shut the context down under a callback that was publishing
    finally:
        if node:
            node.destroy_node()
        try_shutdown()
    return EXIT_OK
