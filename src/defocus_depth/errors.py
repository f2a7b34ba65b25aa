"""The errors that defocus_depth raises on purpose.

Every message gives what was expected and what was found; causes are chained. Code that catches
`DefocusDepthError` catches everything the library refuses, and nothing that is a bug.
"""


class DefocusDepthError(Exception):
    """Base of every error raised on purpose by this package."""


class OpticsError(DefocusDepthError, ValueError):
    """Lens parameters or distances that no thin lens can have."""


class StackError(DefocusDepthError, ValueError):
    """A focal-stack folder that breaks the schema: the message names file, field, expected, actual."""


class ImageError(DefocusDepthError, ValueError):
    """An image, message or file that cannot be decoded as what it claims to be."""


class BagError(DefocusDepthError, ValueError):
    """A rosbag that is missing, truncated, or not what it claims to be."""


class ConfigError(DefocusDepthError, ValueError):
    """A configuration file, parameter or command-line value out of its range."""


class ModelError(DefocusDepthError):
    """A model artifact that is missing, corrupt, or not of the schema this version reads."""


class BackendError(DefocusDepthError):
    """An inference backend failed to load or run a model."""


class BackendUnavailableError(BackendError):
    """A backend's library or device is not on this machine: the message says what to install."""


class EngineUnavailableError(BackendUnavailableError):
    """A backend could run here but has no engine of the model that is of use: says why, or how to build one."""


class RosUnavailableError(DefocusDepthError):
    """rclpy or a message package cannot be imported: the message says what to install or source."""


class ProcessError(DefocusDepthError):
    """A process that we started ended, or did not do what it was started for in time."""


class DeviceError(DefocusDepthError):
    """A camera or focus actuator did not do what was asked."""


def install_hint(extra: str) -> str:
    """How to install one of this package's extras, for messages; it is on no package index."""
    return f"pip install '.[{extra}]' in the source folder of defocus_depth"


def one_line(error: Exception) -> str:
    """What an error says, without the line breaks and runs of blanks that libraries put into their messages."""
    return " ".join(str(error).split())
