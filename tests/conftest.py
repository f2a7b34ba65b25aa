"""What every test process gets: a ROS domain of its own, and libraries that use one thread each."""

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):  # read when the libraries are imported
    os.environ.setdefault(_name, "1")
os.environ.update(RMW_IMPLEMENTATION="rmw_fastrtps_cpp", ROS_AUTOMATIC_DISCOVERY_RANGE="LOCALHOST")

import pytest  # noqa: E402
from defocus_depth.ros.domain import reserved_domain  # noqa: E402


@pytest.fixture(scope="session", autouse=True)
def ros_domain(tmp_path_factory: pytest.TempPathFactory):
    """The ROS_DOMAIN_ID of this test process and of the processes it starts; no other process has it."""
    with reserved_domain() as domain, pytest.MonkeyPatch.context() as environment:
        environment.setenv("ROS_DOMAIN_ID", str(domain))
        environment.setenv("ROS_LOG_DIR", str(tmp_path_factory.mktemp("ros_log")))
        yield domain
