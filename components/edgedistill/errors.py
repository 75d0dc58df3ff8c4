"""The errors that a user can mend: one line each, exit status 2.

Everything else (`ValueError` of `core` and `tf`, a killed process) is not a user's slip and keeps
its traceback in the step's log.
"""

import errno

USER_ERROR_STATUS = 2

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})
"""What an `OSError` says where a disk is full, or one's share of it."""


class EdgedistillError(Exception):
    """Root of the tree. The message says what is wrong, what was got and what to do."""


class SettingError(EdgedistillError, ValueError):
    """A setting is unknown, of the wrong type, or out of its range."""


class DatasetError(EdgedistillError):
    """The photos cannot be trained on: none there, one class only, a class too small."""


class ArtifactError(EdgedistillError):
    """A file that one step hands to another is missing, damaged or of another version."""


class WeightsError(EdgedistillError):
    """Pretrained weights cannot be had or do not fit the network."""


class TrainingError(EdgedistillError):
    """Training went astray under these settings, such as a loss that is no number."""


class ExportError(EdgedistillError):
    """The exported file is not what was promised, such as a float operator in an int8 model."""


class StorageError(EdgedistillError):
    """A place to read from or write to cannot be used."""


class ServerError(EdgedistillError):
    """The server of Kubeflow Pipelines refuses what is asked, or cannot be asked."""
