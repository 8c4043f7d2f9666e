"""Every error that howfar raises on purpose.

The message is one line that names the thing, its value and the way out; the command line prints
it as it is. `UsageError` means the call was wrong (exit code 2); the rest mean that the job
failed (exit code 1).
"""

from __future__ import annotations


class HowfarError(Exception):
    """Base of all errors raised by howfar."""


class UsageError(HowfarError, ValueError):
    """The caller asked for something that cannot be, whatever the input holds."""


class PictureError(HowfarError):
    """A picture or depth file cannot be read, or is not what it says."""


class DatasetError(HowfarError):
    """A data set is not what its format says: a file is missing, damaged or of another shape."""


class ScaleError(HowfarError):
    """A picture does not hold what the asked-for metric scale needs."""


class ProfileError(HowfarError):
    """A camera profile cannot be read or made, or does not fit a picture."""


class ModelError(HowfarError):
    """A network cannot be found, loaded or run."""


class CardError(ModelError):
    """A model card is missing, incomplete or contradicts its network."""


class DownloadError(ModelError):
    """A network could not be downloaded: no connection, no such file, too large."""


class ChecksumError(DownloadError):
    """A downloaded or stored file is not the one whose checksum is known."""


class UntrustedError(DownloadError):
    """A download whose checksum nobody verified was not confirmed by the user."""


class TrainingError(HowfarError):
    """Training cannot go on: the loss is no number."""


class OutputError(HowfarError):
    """A result cannot be written."""
