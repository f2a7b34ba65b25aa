"""Exit 2 with one clear message where `make` cannot build its virtual environment. Runs on any Python 3."""

import importlib.util
import os
import platform
import sys

OLDEST, NEWEST = (3, 10), (3, 14)
HERE = f"this is {platform.system()} {platform.machine()} with Python {platform.python_version()}"


def problem():
    """What is wrong and what to do, or None."""
    if sys.version_info[:2] < OLDEST:
        return f"expected Python 3.10 or newer, {HERE}: name another one, as in `make demo PYTHON=python3.12`"
    if importlib.util.find_spec("ensurepip") is None:
        return f"expected Python's venv module, {HERE}: `sudo apt-get install python3-venv`"
    if os.environ.get("ROS_SOURCED") == "yes":
        return None
    wheels = platform.system() == "Linux" and platform.machine() == "x86_64" and sys.version_info[:2] <= NEWEST
    if not wheels:
        return (
            f"expected x86-64 Linux with Python 3.10 to 3.14, for which PyPI has ROS 2 wheels; {HERE}: "
            "install ROS 2 (https://docs.ros.org), run `source /opt/ros/<distro>/setup.bash`, then this again"
        )
    return None


if __name__ == "__main__":
    message = problem()
    if message:
        print(f"make: {message}", file=sys.stderr)
        sys.exit(2)
