"""The states that a training saves to go on after an interruption: where, how many, and which.

A state is a file of its own (`checkpoint_file`), checkpoint-00000012.ckpt; the numbers rise over
all runs. One training at a time saves to a place.
"""

import errno
import hashlib
import json
import logging
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from edgedistill.checkpoint_file import (
    VERSION,
    DamagedError,
    Identity,
    State,
    read_arrays,
    read_header,
)
from edgedistill.errors import ArtifactError, StorageError
from edgedistill.storage.buckets import DeniedError
from edgedistill.storage.new_files import TakenError
from edgedistill.storage.shelf import open_shelf
from edgedistill.storage.writing import check_target, is_bucket

PLACE_VARIABLE = "EDGEDISTILL_CHECKPOINTS"
"""Set by a local run: the folder for trainings whose checkpoint_uri is empty."""

_NAME = re.compile(r"checkpoint-(\d{8})\.ckpt")
_N_KEPT = 2
_SETTING = "checkpoint_uri"
_REHEARSED_NAME = "edgedistill-may-it-list-and-delete"

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Checkpoint:
    """A saved state: its arrays by name, and its progress as JSON gives it back."""

    arrays: dict[str, NDArray[Any]]
    progress: dict[str, Any]


class Checkpoints:
    """The states of one training at one place.

    Args:
        place: an absolute folder, gs://bucket/prefix or s3://bucket/prefix; made when the first
            state is saved.
        identity: by name, what two runs must agree in so that one may go on from the other's
            state: settings, digest of the data, versions of packages.

    Raises:
        StorageError: the place is none of these.
    """

    def __init__(self, place: str, identity: Identity):
        self._place = place
        self._identity = dict(identity)
        self._shelf = open_shelf(place)
        self._damaged: set[str] = set()

    def save(self, arrays: Mapping[str, NDArray[Any]], progress: Mapping[str, Any]) -> None:
        """Adds a state, whole or not at all; then keeps it and the one before it.

        Args:
            arrays: numbers or truth values, by name; not copied.
            progress: what JSON can hold; numbers come back exactly, tuples as lists.

        Raises:
            StorageError: it cannot be written; the earlier states stay as they are.
            ValueError: an array holds something else.
        """
        state = State(self._identity, progress, arrays)
        try:
            self._add(state)
        except TakenError as error:  # a run that was told to end may still save its last state
            _log.debug("%s", error)
            self._add(state)
        self._tidy()

    def latest(self) -> Checkpoint | None:
        """The newest state that is whole, or None where none was ever saved.

        Raises:
            ArtifactError: it belongs to another training or another version of this program, or
                none of those that are there is whole.
            StorageError: the place cannot be read.
        """
        for name in self._names():
            with self._shelf.local_copy(name) as path:
                try:
                    header = self._header(path, name)
                except DamagedError as error:
                    self._damaged.add(name)
                    _log.warning("%s/%s is damaged, and left out: %s", self._place, name, error)
                    continue
                self._require_ours(header, name)
                return Checkpoint(read_arrays(path), header["progress"])
        if self._damaged:
            raise ArtifactError(
                f"{self._place} holds damaged checkpoints only ("
                f"{', '.join(sorted(self._damaged))}): delete them to begin anew."
            )
        return None

    def _add(self, state: State) -> None:
        earlier = self._names()
        name = f"checkpoint-{_number(earlier[0]) + 1 if earlier else 1:08}.ckpt"
        self._shelf.add(name, state.write, size_bytes=state.size_bytes)
        _log.debug("%s/%s: saved, %d bytes", self._place, name, state.size_bytes)

    def _names(self) -> list[str]:
        """Of all states, the newest first."""
        return sorted(filter(_NAME.fullmatch, self._shelf.names()), key=_number, reverse=True)

    def _header(self, path: Path, name: str) -> dict[str, Any]:
        try:
            return read_header(path)
        except OSError as error:
            if error.errno == errno.EIO:  # the disk's own word for damage
                raise DamagedError(str(error.strerror)) from error
            raise StorageError(f"{self._place}/{name} cannot be read: {error.strerror}.") from error

    def _require_ours(self, header: Mapping[str, Any], name: str) -> None:
        if header["version"] != VERSION:
            raise ArtifactError(
                f"{self._place}/{name} must have version {VERSION}; got {header['version']}: "
                "choose another checkpoint_uri, or delete it."
            )
        if difference := _first_difference(header["identity"], self._identity):
            raise ArtifactError(
                f"{self._place} holds a training {difference}: choose another checkpoint_uri, or "
                "delete it."
            )

    def _tidy(self) -> None:
        """Removes what is not needed; that it cannot be removed does not end a training."""
        try:
            names = self._names()
            kept = [name for name in names if name not in self._damaged][:_N_KEPT]
            for name in names:
                if name not in kept:
                    self._shelf.remove(name)
            self._shelf.remove_unfinished()
        except StorageError as error:
            _log.warning("older checkpoints stay: %s", error)


def check_place(uri: str) -> None:
    """Refuses a place where states cannot be saved and found again; leaves nothing there.

    Where old ones could not be removed a training goes on, so that this is a warning.

    Args:
        uri: an absolute folder, gs://bucket/prefix or s3://bucket/prefix.

    Raises:
        StorageError: it is no such place, or may not be written or listed.
    """
    check_target(uri, name=_SETTING)
    nothing = open_shelf(f"{uri.rstrip('/')}/{_REHEARSED_NAME}")
    nothing.names()
    try:
        nothing.remove(_REHEARSED_NAME)
    except DeniedError as error:
        _log.warning("older checkpoints will stay: %s", error)


def checkpoints_for(uri: str, training: str, identity: Identity) -> Checkpoints | None:
    """Where a training keeps its states; None where nowhere is said.

    Args:
        uri: the setting checkpoint_uri; "" leaves it to the local run that this step is part of.
        training: a plain name, of its own for each training of a pipeline.
        identity: as `Checkpoints` takes it.

    Raises:
        StorageError: `uri` is no such place, or nothing can be written there.
    """
    if uri:
        is_bucket(uri, name=_SETTING)  # refuses what is neither a folder nor in a bucket
        place = f"{uri.rstrip('/')}/{training}"
        check_place(place)
        return Checkpoints(place, identity)
    folder = os.environ.get(PLACE_VARIABLE)
    if not folder:
        return None
    # So that a run with other settings finds a place of its own and this one its own again.
    text = json.dumps(dict(identity), sort_keys=True)
    digest = hashlib.sha256(text.encode("utf-8")).hexdigest()
    return Checkpoints(f"{folder}/{training}-{digest[:12]}", identity)


def _number(name: str) -> int:
    found = _NAME.fullmatch(name)
    return int(found[1]) if found else 0


def _first_difference(saved: Identity, wanted: Identity) -> str:
    """The first name of different values, put so that it follows "a training"; "" for none."""
    for name in (*wanted, *(name for name in saved if name not in wanted)):
        if name not in saved:
            return f"without {name}, not with {name} {wanted[name]}"
        if name not in wanted:
            return f"with {name} {saved[name]}, not without it"
        if saved[name] != wanted[name]:
            return f"with {name} {saved[name]}, not {wanted[name]}"
    return ""
