import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from defocus_depth.simulation.shapes import (
    Pose,
    Primitive,
    Shape,
    Surface,
    axes_with_normal,
    moved,
    pose_looking,
)

components = st.floats(-1, 1)
normals = st.tuples(components, components, components).filter(lambda n: np.linalg.norm(n) > 0.1)


@settings(deadline=None)
@given(normals, st.floats(-10, 10))
def test_axes_are_a_right_handed_frame_along_the_normal(normal, spin_rad):
    axes = axes_with_normal(np.array(normal), spin_rad)
    np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(axes) == pytest.approx(1)
    assert axes[2] @ normal == pytest.approx(np.linalg.norm(normal))


def test_a_camera_that_pans_right_sees_things_move_left():
    pose = pose_looking(0.1, 0.0, np.zeros(3))
    ahead = moved(Primitive(Shape.SPHERE, np.array([0, 0, 1.0]), np.eye(3), np.array([0.1, 0, 0]), Surface()), pose)
    assert ahead.centre_m == pytest.approx([-np.sin(0.1), 0, np.cos(0.1)])


def test_a_camera_that_tilts_down_sees_things_move_up():
    pose = pose_looking(0.0, 0.1, np.zeros(3))
    assert (pose.rotation @ (0, 0, 1))[1] == pytest.approx(-np.sin(0.1))  # y points down


@settings(deadline=None)
@given(st.floats(-1, 1), st.floats(-1, 1), st.tuples(components, components, components))
def test_moving_keeps_distances(pan_rad, tilt_rad, position):
    pose = pose_looking(pan_rad, tilt_rad, np.array(position))
    box = Primitive(Shape.BOX, np.array([0.1, 0.2, 2.0]), np.eye(3), np.array([0.1, 0.2, 0.3]), Surface())
    seen = moved(box, pose)
    assert np.linalg.norm(seen.centre_m) == pytest.approx(np.linalg.norm(box.centre_m - position))
    expected = (box.corners_m() - position) @ pose.rotation.T
    np.testing.assert_allclose(seen.corners_m(), expected, atol=1e-12)


def test_corners_enclose_round_shapes():
    rod = Primitive(Shape.ROD, np.array([0, 0, 1.0]), np.eye(3), np.array([0.1, 0.0, 0.5]), Surface())
    assert rod.corners_m().min(axis=0) == pytest.approx([-0.1, -0.1, 0.4])
    ball = Primitive(Shape.SPHERE, np.zeros(3), np.eye(3), np.array([0.2, 0.0, 0.0]), Surface())
    assert ball.corners_m().max(axis=0) == pytest.approx([0.2, 0.2, 0.2])


def test_the_pose_at_rest_changes_nothing():
    pose = Pose(np.eye(3), np.zeros(3))
    ball = Primitive(Shape.SPHERE, np.ones(3), np.eye(3), np.array([0.2, 0.0, 0.0]), Surface())
    np.testing.assert_array_equal(moved(ball, pose).centre_m, ball.centre_m)
