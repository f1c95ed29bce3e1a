#
# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""Compares an agent's notifications with the lines that arrived."""

import collections
import dataclasses
import datetime
import re
import typing

from lab import process

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-"
                   r"[0-9a-f]{12}")
# Positions of the instance, and of the rest, in a path with default naming.
_INSTANCE, _REST = 3, 4
# Gauges that definitions.yaml makes of each sample of a meter, without
# "memory", which the agent polls itself.
_GAUGES = {"cpu": 2}


class MismatchError(process.LabError):
    """There are too few or too many lines."""


class Tail:
    """Reads a growing file.

    :param path: of the file, which may not exist yet
    """

    def __init__(self, path):
        self._path = path
        self._offset = 0

    def lines(self) -> list:
        """Return the complete lines since the last call, as bytes."""
        if not self._path.exists():
            return []
        with self._path.open("rb") as file:
            file.seek(self._offset)
            data = file.read()
        end = data.rfind(b"\n") + 1
        self._offset += end
        return data[:end].splitlines()


@dataclasses.dataclass(frozen=True)
class Notification:
    """One call of a driver; see :mod:`~benchmarks.scale.probe`.

    :ivar at: epoch seconds of its start
    :ivar cpu: CPU seconds of its thread
    :ivar sender: native id of the network thread, or None
    :ivar timestamp: when the agent began to poll the meter, as text
    :ivar second: epoch second of all its samples
    :ivar meter: of all its samples
    :ivar resources: the resource id of each sample
    """

    at: float
    cpu: float
    sender: int | None
    timestamp: str
    second: int
    meter: str
    resources: list

    @property
    def polled_at(self) -> float:
        """Its timestamp in epoch seconds."""
        return datetime.datetime.fromisoformat(self.timestamp).replace(
            tzinfo=datetime.timezone.utc).timestamp()

    @property
    def lines(self) -> int:
        """The expected number of lines, except in the first cycle."""
        return len(self.resources) * (1 + _GAUGES.get(self.meter, 0))


class Latency(typing.NamedTuple):
    """Seconds until a sample's line was read.

    :ivar of_driver: since the agent called its driver with the sample
    :ivar of_poll: since the sample's timestamp
    """

    of_driver: float
    of_poll: float


def by_key(lines: list) -> dict:
    """Return {(instance, meter and device, second): [line]}."""
    found = collections.defaultdict(list)
    for line in lines:
        parts = line.path.split(".", _REST)
        # The instance's name stands before its id.
        instance = parts[_INSTANCE].rpartition("_")[2]
        found[(instance, parts[_REST], line.second)].append(line)
    return found


def latencies(notifications: list, lines: dict) -> list:
    """Return the :class:`Latency` of each sample of a cycle.

    :param lines: as :func:`by_key` returns them
    :raises MismatchError: if a sample does not have exactly one line
    """
    found = []
    for notification in notifications:
        polled_at = notification.polled_at
        for resource in notification.resources:
            line = _line(notification.meter, resource, notification.second,
                         lines)
            found.append(Latency(line.at - notification.at,
                                 line.at - polled_at))
    return found


def _line(meter, resource, second, lines):
    instance = _UUID.search(resource)
    device = resource[instance.end():].replace("-", ".", 1)
    names = (("cpu_util",) if meter == "cpu"
             else (meter + device, meter + ".rate" + device))
    found = [line for name in names
             for line in lines.get((instance[0], name, second), ())]
    if len(found) != 1:
        raise MismatchError("%s of %s at %d has %d lines" % (
            meter, resource, second, len(found)))
    return found[0]


def series(notifications: list, lines: dict) -> set:
    """Return the paths of a cycle.

    :param lines: as :func:`by_key` returns them
    :raises MismatchError: if there are too few or too many lines
    """
    seconds = {notification.second for notification in notifications}
    paths = [line.path for (_, _, second), same in lines.items()
             if second in seconds for line in same]
    expected = sum(notification.lines for notification in notifications)
    if len(paths) != expected or len(set(paths)) != expected:
        raise MismatchError("a cycle has %d lines of %d series, not %d" % (
            len(paths), len(set(paths)), expected))
    return set(paths)


def check_same(what: str, cycles: typing.Iterable) -> set:
    """Return the set that all cycles share; an empty one without cycles.

    :param what: the elements' name, for the error
    :raises MismatchError: if the sets differ
    """
    first = None
    for found in cycles:
        first = found if first is None else first
        if found != first:
            raise MismatchError("cycles differ in their %s: %s" % (
                what, sorted(found ^ first)[:10]))
    return first or set()
