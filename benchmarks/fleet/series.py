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


"""What the publishers of a fleet publish.

Each datapoint of a series has a second and a value of its own: the value is
how many the series had before it.
"""

import dataclasses
import datetime
import uuid

from ceilometer import sample

BATCH = 50
_METERS = ("memory.usage", "memory.available", "memory.resident",
           "memory.swap.in", "memory.swap.out", "power.state",
           "disk.root.size", "disk.ephemeral.size", "vcpus", "memory")


def host(node):
    """The full host name of a node."""
    return "compute-%d.example.org" % node


def _instance(node, number):
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, "instance-%d-%d" % (
        node, number)))


@dataclasses.dataclass(frozen=True)
class Shape:
    """How the batches of a node are made.

    :ivar points: of each series in a batch; divides ``BATCH``. An agent's
        batch has one. With more there are fewer files for the same lines.
    :ivar interval: seconds between two batches of a node, a multiple of
        ``points``
    """

    points: int
    interval: int

    @property
    def series(self):
        """How many series a node has."""
        return BATCH // self.points

    @property
    def step(self):
        """Seconds between two points of a series."""
        return self.interval // self.points

    def names(self, node):
        """Which series a node has.

        :returns: (host, project, instance, meter) of each
        """
        project = uuid.uuid5(uuid.NAMESPACE_DNS, "project-%d" % node).hex
        return [(host(node), project, _instance(node, number // len(_METERS)),
                 _METERS[number % len(_METERS)])
                for number in range(self.series)]

    def paths(self, node):
        """The paths of a node's series in Graphite, by default naming."""
        return ["ceilometer.%s.%s.%s.%s" % (host.partition(".")[0], *series)
                for host, *series in self.names(node)]

    def seconds(self, due):
        """When the points of a batch are of, in seconds since 1970.

        :param due: when the batch is published
        """
        return [due - self.step * before
                for before in reversed(range(self.points))]

    def samples(self, names, number, due):
        """One batch of a node.

        :param names: of :meth:`names`
        :param number: how many batches the node had before it
        :param due: as in :meth:`seconds`
        """
        first = number * self.points
        return [_sample(*name, first + point, _timestamp(second))
                for point, second in enumerate(self.seconds(due))
                for name in names]


def _timestamp(second):
    return datetime.datetime.fromtimestamp(
        second, datetime.timezone.utc).replace(tzinfo=None).isoformat()


def _sample(host, project, instance, meter, volume, timestamp):
    return sample.Sample(
        name=meter, type=sample.TYPE_GAUGE, unit="", volume=volume,
        user_id=project, project_id=project, resource_id=instance,
        timestamp=timestamp, resource_metadata={"instance_host": host})
