"""Transitions: what is loaded when, what is freed, and that a configure that cannot succeed can be tried again."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")

from lifecycle_msgs.msg import Transition  # noqa: E402
from lifecycle_msgs.srv import ChangeState, GetState  # noqa: E402
from rcl_interfaces.srv import SetParameters  # noqa: E402
from rclpy.lifecycle import TransitionCallbackReturn  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402

from defocus_depth.errors import BackendUnavailableError  # noqa: E402
from defocus_depth.ros.depth_node import estimator_of  # noqa: E402

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE


def call(bench, kind: type, service: str, request):
    client = bench.tester.create_client(kind, f"{bench.namespace}/depth/{service}")
    bench.spin_until(client.service_is_ready)
    future = client.call_async(request)
    bench.spin_until(future.done)
    return future.result()


def state_of(bench) -> str:
    return call(bench, GetState, "get_state", GetState.Request()).current_state.label


def topics_of(bench) -> set[str]:
    prefix = f"{bench.namespace}/depth/"
    name, namespace = bench.node.get_name(), bench.node.get_namespace()
    found = bench.tester.get_publisher_names_and_types_by_node(name, namespace)
    return {topic[len(prefix) :] for topic, _ in found if topic.startswith(prefix)} - {"transition_event"}


def test_services_drive_the_whole_life(make_bench, make_image) -> None:
    bench = make_bench()
    labels = []
    for transition in (
        Transition.TRANSITION_CONFIGURE,
        Transition.TRANSITION_ACTIVATE,
        Transition.TRANSITION_DEACTIVATE,
        Transition.TRANSITION_CLEANUP,
        Transition.TRANSITION_CONFIGURE,
        Transition.TRANSITION_ACTIVATE,
        Transition.TRANSITION_ACTIVE_SHUTDOWN,
    ):
        request = ChangeState.Request(transition=Transition(id=transition))
        assert call(bench, ChangeState, "change_state", request).success
        labels.append(state_of(bench))
    assert labels == ["inactive", "active", "inactive", "unconfigured", "inactive", "active", "finalized"]
    assert [estimator.closed for estimator in bench.estimators] == [True, True]


def test_model_and_publishers_come_with_configure_subscriptions_with_activate_and_all_goes_with_cleanup(
    make_bench,
) -> None:
    bench = make_bench()
    image = f"{bench.namespace}/image"
    assert not bench.estimators and not topics_of(bench)
    assert bench.node.trigger_configure() == SUCCESS
    assert len(bench.estimators) == 1
    expected = {"depth/image", "depth/camera_info", "depth/color", "defocus/image", "confidence/image"}
    bench.spin_until(lambda: topics_of(bench) == expected)
    assert bench.node.count_subscribers(image) == 0
    bench.node.trigger_activate()
    bench.spin_until(lambda: bench.tester.count_subscribers(image) == 1)
    bench.node.trigger_deactivate()
    bench.spin_until(lambda: bench.tester.count_subscribers(image) == 0)
    assert not bench.estimator.closed
    bench.node.trigger_cleanup()
    assert bench.estimator.closed
    bench.spin_until(lambda: not topics_of(bench))


def test_frames_flow_again_after_deactivate_and_activate_and_the_lens_is_forgotten(
    bench, make_image, make_lens_state
) -> None:
    depth = bench.subscribe("depth/image", Image)
    bench.publisher("lens_state", type(make_lens_state(1.0))).publish(make_lens_state(0.5))
    bench.spin_until(lambda: len(bench.node._session._lens_states) == 1)
    bench.send("image", make_image(), "published")
    bench.node.trigger_deactivate()
    bench.node.trigger_activate()
    bench.spin_until(bench.publisher("image", Image).get_subscription_count)
    bench.send("image", make_image(), "published")
    bench.spin_until(lambda: len(depth) == 2)
    assert [call[2] for call in bench.estimator.calls] == [0.5, 0.35]


def test_deactivating_waits_for_the_frame_in_work(bench, make_image) -> None:
    import threading

    bench.subscribe("depth/image", Image)
    bench.estimator.may_go_on.clear()
    bench.publisher("image", Image).publish(make_image())
    bench.spin_until(lambda: bench.estimator.calls)
    threading.Timer(0.2, bench.estimator.may_go_on.set).start()
    assert bench.node.trigger_deactivate() == SUCCESS
    assert bench.counts["published"] == 1


class ModelFiles:
    """A good model, and what can be wrong with one."""

    def __init__(self, folder: Path, make_tiny_model) -> None:
        self.good = make_tiny_model(folder, "good")
        self.missing = folder / "missing.onnx"
        self.corrupt = make_tiny_model(folder, "corrupt")
        self.corrupt.write_bytes(self.corrupt.read_bytes()[:-100])
        self.no_graph = folder / "no_graph.onnx"
        self.no_graph.write_bytes(b"this is no ONNX graph")


@pytest.fixture(scope="module")
def models(make_tiny_model, tmp_path_factory) -> ModelFiles:
    return ModelFiles(tmp_path_factory.mktemp("models"), make_tiny_model)


@pytest.mark.parametrize(
    ("bad", "expected"),
    [
        ("missing", "missing.onnx: expected a model file, which is not there"),
        ("corrupt", "corrupt.onnx: expected sha256"),
        ("no_graph", "no_graph.json: expected a readable model sidecar"),
    ],
)
def test_configure_without_a_usable_model_fails_cleanly_and_succeeds_with_one(
    make_bench, models: ModelFiles, make_image, capfd, bad: str, expected: str
) -> None:
    bench = make_bench(estimator_of, model=str(getattr(models, bad)), backend="onnxruntime")
    assert bench.node.trigger_configure() == FAILURE
    errors = [line for line in "".join(capfd.readouterr()).splitlines() if "ERROR" in line]
    assert len(errors) == 1 and expected in errors[0]
    assert state_of(bench) == "unconfigured" and not topics_of(bench)
    result = bench.node.set_parameters([Parameter("model", value=str(models.good))])[0]
    assert result.successful, result.reason
    bench.activate()
    bench.subscribe("depth/image", Image)
    bench.send("image", make_image(), "published")


def test_configure_without_the_backend_fails_cleanly_and_succeeds_with_another(make_bench, models: ModelFiles) -> None:
    def factory(parameters):
        if parameters.backend == "torch":
            raise BackendUnavailableError("backend torch: expected the package torch: pip install torch")
        return estimator_of(parameters)

    bench = make_bench(factory, model=str(models.good), backend="torch")
    assert bench.node.trigger_configure() == FAILURE
    assert bench.node._failure.startswith("backend torch: expected the package torch")
    bench.node.set_parameters([Parameter("backend", value="onnxruntime")])
    bench.activate()


def test_configure_without_a_lens_fails_cleanly(make_bench) -> None:
    bench = make_bench(lens_file="")
    assert bench.node.trigger_configure() == FAILURE
    assert "lens_file or lens parameters: lens: expected focal_length_m" in bench.node._failure
    assert not bench.estimators
    bench.node.set_parameters([Parameter("lens_file", value="robot")])
    assert bench.node.trigger_configure() == SUCCESS


def test_an_unexpected_error_in_configure_leads_to_on_error_and_back_to_unconfigured(make_bench) -> None:
    outcomes = [ZeroDivisionError("a bug")]
    bench = None

    def factory(parameters):
        if outcomes:
            raise outcomes.pop()
        return bench._fake(parameters)  # type: ignore[union-attr]

    bench = make_bench(factory)
    assert bench.node.trigger_configure() == TransitionCallbackReturn.ERROR
    assert bench.node._failure == "ZeroDivisionError: a bug"
    assert state_of(bench) == "unconfigured"
    bench.activate()


def test_an_estimator_is_freed_when_what_comes_after_it_fails(make_bench, monkeypatch) -> None:
    from defocus_depth.ros import session

    bench = make_bench()
    with monkeypatch.context() as patch:
        patch.setattr(session, "MapPublishers", None)
        assert bench.node.trigger_configure() == TransitionCallbackReturn.ERROR
    assert bench.estimator.closed
    bench.activate()


def test_autostart_configures_and_activates_and_is_read_only(make_bench) -> None:
    bench = make_bench(autostart=True)
    bench.node.start()
    assert state_of(bench) == "active"
    idle = make_bench()
    idle.node.start()
    assert state_of(idle) == "unconfigured"
    request = SetParameters.Request(parameters=[Parameter("autostart", value=True).to_parameter_msg()])
    result = call(idle, SetParameters, "set_parameters", request).results[0]
    assert not result.successful and "read-only" in result.reason


def test_a_transition_that_the_state_does_not_have_is_refused_and_the_node_lives(make_bench) -> None:
    bench = make_bench()
    for transition, expected in (
        (Transition.TRANSITION_DEACTIVATE, False),
        (Transition.TRANSITION_CONFIGURE, True),
        (Transition.TRANSITION_CONFIGURE, False),
        (Transition.TRANSITION_ACTIVATE, True),
        (Transition.TRANSITION_ACTIVATE, False),
        (99, False),
    ):
        request = ChangeState.Request(transition=Transition(id=transition))
        assert call(bench, ChangeState, "change_state", request).success is expected
    assert state_of(bench) == "active"


def test_lens_states_told_before_activation_hold_if_their_publisher_keeps_them(
    make_bench, make_image, make_lens_state
) -> None:
    from rclpy.qos import DurabilityPolicy, QoSProfile
    from sensor_msgs.msg import JointState

    bench = make_bench()
    kept = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    lens = bench.tester.create_publisher(JointState, f"{bench.namespace}/lens_state", kept)
    lens.publish(make_lens_state(2.0, stamp_ns=1))
    bench.activate()
    bench.subscribe("depth/image", Image)
    bench.spin_until(lambda: len(bench.node._session._lens_states))
    bench.send("image", make_image(), "published")
    bench.node.trigger_deactivate()
    bench.node.trigger_activate()
    bench.spin_until(lambda: len(bench.node._session._lens_states))
    bench.spin_until(bench.publisher("image", Image).get_subscription_count)
    bench.send("image", make_image(), "published")
    assert [call[2] for call in bench.estimator.calls] == [2.0, 2.0]
