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

"""The series of a fleet.

The value of a datapoint is the number of earlier datapoints in its series.
"""

import dataclasses
import uuid

from benchmarks.common import workload

BATCH = 50
_METERS = ("memory.usage", "memory.available", "memory.resident",
           "memory.swap.in", "memory.swap.out", "power.state",
           "disk.root.size", "disk.ephemeral.size", "vcpus", "memory")


def host(node):
    """Return the full host name of a node."""
    return "compute-%d.example.org" % node


def _instance(node, number):
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, "instance-%d-%d" % (
        node, number)))


@dataclasses.dataclass(frozen=True)
class Shape:
    """The structure of batches.

    :ivar points: of each series in a batch; divides ``BATCH``. A real
        agent's batch has one. More points mean fewer files for the same
        number of lines.
    :ivar interval: seconds between two batches of a node, a multiple of
        ``points``
    """

    points: int
    interval: int

    @property
    def series(self):
        """The number of series of a node."""
        return BATCH // self.points

    @property
    def step(self):
        """Seconds between two points of a series."""
        return self.interval // self.points

    def names(self, node):
        """Return (host, project, instance, meter) of each series."""
        project = uuid.uuid5(uuid.NAMESPACE_DNS, "project-%d" % node).hex
        return [(host(node), project, _instance(node, number // len(_METERS)),
                 _METERS[number % len(_METERS)])
                for number in range(self.series)]

    def paths(self, node):
        """Return the paths of a node's series in Graphite."""
        return ["ceilometer.%s.%s.%s.%s" % (host.partition(".")[0], *series)
                for host, *series in self.names(node)]

    def seconds(self, due):
        """Return the times of the points in a batch, in epoch seconds.

        :param due: time of the batch
        """
        return [due - self.step * before
                for before in reversed(range(self.points))]

    def samples(self, names, number, due):
        """Return one batch of a node.

        :param names: as :meth:`names` returns them
        :param number: index of the batch
        :param due: time of the batch
        """
        first = number * self.points
        return [workload.gauge(
            project, instance, name=meter, volume=first + point,
            timestamp=workload.timestamp(second),
            resource_metadata={"instance_host": host})
            for point, second in enumerate(self.seconds(due))
            for host, project, instance, meter in names]
