"""The lifecycle node `depth`: image topic in; depth, defocus and confidence topics out."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Collection
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType  # pyright: ignore[reportPrivateImportUsage]  (Humble has it only here)
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from ..errors import DefocusDepthError, one_line
from ..inference import load_estimator
from .compatibility import refuse_impossible_transitions
from .diagnostics import WATCHED, NodeFacts, diagnostic_array
from .executable import run_node
from .frame_statistics import FrameStatistics
from .lens_source import lens_setting, named_lens
from .parameter_server import ParameterServer
from .parameters import DepthNodeParameters
from .pipeline import DepthEstimator
from .quality import qos_profile
from .session import DepthSession, Settings
from .topics import DIAGNOSTICS

DIAGNOSTICS_PERIOD_S = 1.0
SUCCESS, FAILURE, ERROR = (
    TransitionCallbackReturn.SUCCESS,
    TransitionCallbackReturn.FAILURE,
    TransitionCallbackReturn.ERROR,
)
EstimatorFactory = Callable[[DepthNodeParameters], DepthEstimator]


def estimator_of(parameters: DepthNodeParameters) -> DepthEstimator:
    """The estimator that the parameters ask for."""
    return load_estimator(parameters.model_path, parameters.backend, parameters.estimator_config())


class DepthNode(LifecycleNode):
    """Depth from defocus as a managed node; see docs/ros.md for its topics and parameters.

    Args:
        estimator_factory: makes the estimator in configure.
        node_options: for rclpy's node (namespace, parameter_overrides, cli_args, context …).

    Raises:
        ConfigError: a parameter given at start is out of its range.
    """

    def __init__(self, estimator_factory: EstimatorFactory = estimator_of, **node_options: Any) -> None:
        super().__init__("depth", **node_options)
        refuse_impossible_transitions(self)
        self._estimator_factory = estimator_factory
        self._session: DepthSession | None = None
        self._state, self._failure = "unconfigured", ""
        self._statistics = FrameStatistics()
        self._parameter_server = ParameterServer(
            self, DepthNodeParameters, lambda: self._session is not None, self._accept
        )
        self._diagnostics = self.create_publisher(DiagnosticArray, DIAGNOSTICS.name, qos_profile(DIAGNOSTICS))
        # Not on the node's clock: a simulation that stands still must not silence the diagnostics.
        self._steady_clock = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(DIAGNOSTICS_PERIOD_S, self._publish_diagnostics, clock=self._steady_clock)

    def start(self) -> None:
        """Configure and activate, where the parameter `autostart` asks for it."""
        if self._parameter_server.values.autostart and self.trigger_configure() == SUCCESS:
            self.trigger_activate()

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Read the lens, load the model, create the publishers."""
        return self._transition("inactive", self._configure)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Open the publishers, then subscribe and start the worker."""
        return self._transition("active", lambda: self._activate(state))

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe, finish the frame in work, close the publishers."""
        return self._transition("inactive", lambda: self._deactivate(state))

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free the model and the publishers."""
        return self._transition("unconfigured", self._close)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free everything, from whatever state."""
        return self._transition("finalized", self._close)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """After a transition went wrong: free everything, so that the node can be configured anew."""
        self._close()
        self._state = "unconfigured"
        return SUCCESS

    def destroy_node(self) -> None:
        """Stop the worker before the publishers go."""
        self._close()
        super().destroy_node()

    def _transition(self, goal: str, work: Callable[[], None]) -> TransitionCallbackReturn:
        """Do a transition's work. Refusals leave the node where it was; what is no refusal leads to `on_error`."""
        try:
            work()
        except DefocusDepthError as error:
            self._failure = one_line(error)
            self.get_logger().error(f"not {goal}: {self._failure}")
            return FAILURE
        except Exception as error:
            self._failure = f"{type(error).__name__}: {error}"
            self.get_logger().error(f"not {goal}:\n{traceback.format_exc()}")
            return ERROR
        self._state, self._failure = goal, ""
        return SUCCESS

    def _configure(self) -> None:
        parameters = self._parameter_server.values
        known = named_lens(parameters)
        settings = Settings(parameters, known, lens_setting(parameters, known))
        estimator = self._estimator_factory(parameters)
        try:
            self._session = DepthSession(self, settings, estimator, self._statistics)
        except BaseException:
            estimator.close()
            raise
        info = estimator.info
        self.get_logger().info(
            f"model {info.model_path} ({info.model_sha256[:12]}) on {info.backend} ({info.precision})"
        )

    def _activate(self, state: LifecycleState) -> None:
        super().on_activate(state)
        assert self._session is not None  # the state machine activates configured nodes only
        self._session.activate()
        self.get_logger().info(f"listening on {self._session.image_topic} (active)")

    def _deactivate(self, state: LifecycleState) -> None:
        assert self._session is not None
        self._session.deactivate()
        super().on_deactivate(state)

    def _close(self) -> None:
        session, self._session = self._session, None
        if session:
            session.close()

    def _accept(self, parameters: DepthNodeParameters, names: Collection[str]) -> None:
        if self._session:
            # Read only when asked for: what happens to the file meanwhile must not change the lens, or refuse a colour.
            known = named_lens(parameters) if "lens_file" in names else self._session.settings.lens_file
            self._session.settings = Settings(parameters, known, lens_setting(parameters, known))

    def _publish_diagnostics(self) -> None:
        session = self._session
        info = session.estimator.info if session else None
        about = {
            "backend": info.backend if info else "",
            "precision": info.precision if info else "",
            "model": str(info.model_path) if info else "",
            "model sha256": info.model_sha256 if info else "",
            "working size": f"{info.working_size[1]}x{info.working_size[0]}" if info else "",
            WATCHED: str(session.watched_topics if session else 0),
            "pid": str(os.getpid()),
        }
        facts = NodeFacts(
            state=self._state,
            failure=self._failure,
            image_topic=session.image_topic if session else "",
            stale_after_s=self._parameter_server.values.stale_after_s,
            about=about,
        )
        stamp = self.get_clock().now().to_msg()
        window = self._statistics.take_window()
        self._diagnostics.publish(diagnostic_array(self.get_fully_qualified_name(), window, facts, stamp))


def main(args: list[str] | None = None) -> int:
    """Entry point of the `depth_node` executable."""
    return run_node(DepthNode, DepthNodeParameters, args, DepthNode.start)


if __name__ == "__main__":
    sys.exit(main())
