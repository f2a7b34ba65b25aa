"""A node that does one long job at a time: ~/<job> starts it and answers when it has ended, ~/cancel ends it.

Both are std_srvs/Trigger. The job runs in a thread of its own, so the node goes on answering meanwhile.
"""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node
from rclpy.task import Future
from std_srvs.srv import Trigger

from ..errors import DefocusDepthError
from .lens_state_publisher import LensStatePublisher
from .parameter_server import ParameterServer

Parameters = TypeVar("Parameters")
_WAKE_S = 0.1  # the executor looks at answers that wait only when something happens


class JobContext:
    """What a job may use: it runs in another thread than the node.

    Attributes:
        lens_state: tells where the lens is.
        cancelled: set once somebody asked for the end.
    """

    def __init__(self, node: Node, lens_state: LensStatePublisher) -> None:
        self.lens_state, self.cancelled = lens_state, threading.Event()
        self._node = node

    def say(self, text: str) -> None:
        """Log a line."""
        self._node.get_logger().info(text)

    def topic(self, name: str) -> str:
        """Full name of a topic of the node, remapped."""
        return self._node.resolve_topic_name(name)


Job = Callable[[Any, JobContext], str]


class JobNode(Node, Generic[Parameters]):
    """The node; `spin` it.

    Args:
        name: of the node.
        service: the job's name: ~/<service>.
        parameters: frozen dataclass of `parameter` fields; changes hold from the next job on.
        job: (parameters, context) → a line about what was done; may raise DefocusDepthError.
    """

    def __init__(self, name: str, service: str, parameters: type[Parameters], job: Job) -> None:
        super().__init__(name)
        self._job, self._service = job, service
        self._server = ParameterServer(self, parameters, lambda: False, lambda values, names: None)
        self._lens_state = LensStatePublisher(self)
        self._running: JobContext | None = None
        self._thread: threading.Thread | None = None
        group = ReentrantCallbackGroup()  # of the default group nothing else would run while an answer waits
        start: Any = self._on_start  # rclpy awaits coroutines, its annotations do not say so
        self.create_service(Trigger, f"~/{service}", start, callback_group=group)
        self.create_service(Trigger, "~/cancel", self._on_cancel, callback_group=group)
        self.create_timer(_WAKE_S, lambda: None, callback_group=group)

    async def _on_start(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        if self._running:
            response.success, response.message = False, f"{self._service}: expected an idle node, one is running"
            return response
        self._running = JobContext(self, self._lens_state)
        ended: Future = Future()
        self._thread = threading.Thread(target=self._run, args=(self._server.values, self._running, ended))
        self._thread.start()
        outcome: Any = await ended
        response.success, response.message = outcome
        self._running = None
        return response

    def _on_cancel(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        response.success = self._running is not None
        response.message = "ending" if self._running else f"{self._service}: nothing is running"
        if self._running:
            self._running.cancelled.set()
        return response

    def _run(self, values: Parameters, context: JobContext, ended: Future) -> None:
        try:
            outcome = True, self._job(values, context)
        except DefocusDepthError as error:
            outcome = False, str(error)
        except Exception as error:  # a bug: the node goes on
            self.get_logger().error(f"{self._service} failed unexpectedly:\n{traceback.format_exc()}")
            outcome = False, f"{type(error).__name__}: {error}"
        self.get_logger().info(f"{self._service}: {outcome[1].removeprefix(f'{self._service}: ')}")
        ended.set_result(outcome)

    def destroy_node(self) -> None:
        """End the running job first, so that devices are given back."""
        if self._running:
            self._running.cancelled.set()
        if self._thread:
            self._thread.join()
        super().destroy_node()
