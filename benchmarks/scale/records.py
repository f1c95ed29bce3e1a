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

"""What an agent handed over, against the lines that came of it."""

import collections
import dataclasses
import datetime
import re
import typing

from lab import process

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-"
                   r"[0-9a-f]{12}")
# Where an instance's id stands in a path of the default naming, and what
# follows it.
_INSTANCE, _REST = 3, 4
# The gauges that definitions.yaml makes of each sample of a meter; "memory"
# is polled.
_GAUGES = {"cpu": 2}


class MismatchError(process.LabError):
    """Lines are missing, or are too many."""


class Tail:
    """Reads what is appended to a file.

    :param path: of the file, which need not be there yet
    """

    def __init__(self, path):
        self._path = path
        self._offset = 0

    def lines(self) -> list:
        """Return the whole lines since the last call, as bytes."""
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

    :ivar at: epoch seconds, when it began
    :ivar cpu: seconds of its thread's CPU
    :ivar sender: id of the thread that sends, or None
    :ivar timestamp: as Ceilometer writes it: when the agent began to poll
        the meter
    :ivar second: epoch second that all its samples are of
    :ivar meter: of all its samples
    :ivar resources: a resource's id for each sample
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
        """How many lines have to come of it, but in the first cycle."""
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
        # Behind the name of the instance.
        instance = parts[_INSTANCE].rpartition("_")[2]
        found[(instance, parts[_REST], line.second)].append(line)
    return found


def latencies(notifications: list, lines: dict) -> list:
    """Return the :class:`Latency` of each sample of a cycle.

    :param lines: of :func:`by_key`
    :raises MismatchError: if a sample did not become one line
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
        raise MismatchError("%s of %s at %d became %d lines" % (
            meter, resource, second, len(found)))
    return found[0]


def series(notifications: list, lines: dict) -> set:
    """Return the paths that a cycle became.

    :param lines: of :func:`by_key`
    :raises MismatchError: if it became more or less lines than it has to
    """
    seconds = {notification.second for notification in notifications}
    paths = [line.path for (_, _, second), same in lines.items()
             if second in seconds for line in same]
    expected = sum(notification.lines for notification in notifications)
    if len(paths) != expected or len(set(paths)) != expected:
        raise MismatchError("a cycle became %d lines of %d series, not %d" % (
            len(paths), len(set(paths)), expected))
    return set(paths)


def check_same(what: str, cycles: typing.Iterable) -> set:
    """Return the set that all cycles have; the empty set of no cycles.

    :param what: is in the sets, for the error
    :raises MismatchError: if they differ
    """
    first = None
    for found in cycles:
        first = found if first is None else first
        if found != first:
            raise MismatchError("cycles differ in their %s: %s" % (
                what, sorted(found ^ first)[:10]))
    return first or set()
