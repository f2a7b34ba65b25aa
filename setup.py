"""The rest of setup.cfg: the share folder that ament looks for, listed by pattern.

`python_requires` is here because colcon cannot parse what setuptools makes of it in setup.cfg.
"""

from glob import glob
from os.path import dirname, isfile

from setuptools import Distribution, setup

SHARE = "share/defocus_depth"


def share_files():
    """(destination, files) for the ament marker, the manifest, launch/ and config/ with its subfolders."""
    paths = (path for folder in ("launch", "config") for path in glob(f"{folder}/**", recursive=True))
    found = [path for path in paths if isfile(path) and "__pycache__" not in path]
    folders = sorted({dirname(path) for path in found})
    return [
        ("share/ament_index/resource_index/packages", ["resource/defocus_depth"]),
        (SHARE, ["package.xml"]),
        *((f"{SHARE}/{folder}", sorted(path for path in found if dirname(path) == folder)) for folder in folders),
    ]


class DistributionWithData(Distribution):
    """Asks for data_files by the name that editable installs look for, or `pip install -e .` leaves them out."""

    def has_data(self):
        return self.has_data_files()


setup(distclass=DistributionWithData, python_requires=">=3.10", data_files=share_files())
