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

"""The samples of an agent with many instances, by polling cycle.

The instances are copies of the guests that a real agent's recording has. A
copy has the same meters and metadata, but its own identifiers.
"""

import datetime
import hashlib
import itertools
import json
import re
import sys
import typing

from ceilometer import sample

from lab import process

INTERVAL_SECONDS = 60
_RECORDING = process.ROOT / "tests" / "fixtures" / "polling-27.0.0.json"
_IDENTIFIER = re.compile(
    r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32,}"
    r"|(?<=tap)[0-9a-f]{8}-[0-9a-f]{2}|(?<=instance-)[0-9a-f]{8}")
# An instance has 1 to 97 of 97 parts of the recorded growth.
_SHARES = 97
# A real agent never polls exactly on time.
_JITTERS_SECONDS = [number * 0.0013 for number in range(11)]


class _Meter(typing.NamedTuple):
    """One notification of the recording.

    :ivar growth: of a counter, per second
    :ivar points: {number of the guest: its sample}
    """

    name: str
    type: str
    unit: str
    growth: float
    timestamp: datetime.datetime
    points: dict


def recorded() -> list:
    """Return the driver's messages, a list for each recorded cycle."""
    return [[notification["message"] for notification in cycle]
            for cycle in json.loads(_RECORDING.read_text())["cycles"]]


def _meter(samples, later, guests):
    """Return a :class:`_Meter`.

    :param later: the same samples in the next cycle
    :param guests: ids; a guest's number is its index
    """
    first = samples[0]
    growth = 0
    if first["counter_type"] == sample.TYPE_CUMULATIVE:
        growth = max(
            (new["counter_volume"] - old["counter_volume"])
            / (new["monotonic_time"] - old["monotonic_time"])
            for old, new in zip(samples, later, strict=True))
    return _Meter(
        *(sys.intern(first["counter_" + key])
          for key in ("name", "type", "unit")), growth,
        datetime.datetime.fromisoformat(first["timestamp"]),
        {guests.index(each["resource_metadata"]["instance_id"]): each
         for each in samples})


def _guest(samples):
    """Split the samples of a guest into common and special properties.

    :param samples: {name of the meter: sample}
    """
    common = min(samples.values(),
                 key=lambda each: len(each["resource_metadata"]))
    metadata = common["resource_metadata"]
    special = {}
    for name, each in samples.items():
        prefix, _, suffix = each["resource_id"].partition(
            metadata["instance_id"])
        special[name] = [prefix, suffix, {
            key: value for key, value in each["resource_metadata"].items()
            if key not in metadata or value != metadata[key]}]
    return {"user_id": common["user_id"], "project_id": common["project_id"],
            "metadata": metadata, "special": special}


def _copied(text, copy):
    """Return the text with identifiers that are unique to the copy."""
    def identifier(match):
        digits = iter(hashlib.sha256(
            ("%d %s" % (copy, match[0])).encode("ascii")).hexdigest())
        return "".join(char if char == "-" else next(digits)
                       for char in match[0])
    return _IDENTIFIER.sub(identifier, text)


def _interned(pairs):
    """Return a dict with interned keys, as literals in the agent are."""
    return {sys.intern(key): value for key, value in pairs}


def _split(samples, size):
    while batch := list(itertools.islice(samples, size)):
        yield batch


class Node:
    """The instances of one compute node.

    :param instances: how many
    :param batch: maximum of samples in a batch
    """

    def __init__(self, instances: int, batch: int):
        cycles = [[message["payload"]["samples"] for message in messages]
                  for messages in recorded()]
        by_guest = {}
        for each in itertools.chain.from_iterable(cycles[0]):
            by_guest.setdefault(each["resource_metadata"]["instance_id"], {})[
                each["counter_name"]] = each
        self._meters = [_meter(samples, later, list(by_guest))
                        for samples, later in zip(*cycles, strict=True)]
        self._batch = batch
        self._guests = len(by_guest)
        texts = [json.dumps(_guest(samples)) for samples in by_guest.values()]
        self._instances = [
            _copied(texts[number % self._guests], number // self._guests)
            for number in range(instances)]

    @property
    def samples_per_cycle(self) -> int:
        """The number of samples in one cycle."""
        return sum(number % self._guests in meter.points
                   for meter in self._meters
                   for number in range(len(self._instances)))

    def batches(self, cycle: int) -> typing.Iterator:
        """Yield the batches of one cycle; create each on demand.

        As with ``instance_discovery_method = libvirt_metadata``, each cycle
        reads the properties of an instance again. Its samples share these
        values, but each sample has its own metadata and resource_id.

        :param cycle: its number, which determines clocks and counters
        """
        # New strings for all values, as after parsing the domain's XML.
        instances = [json.loads(text, object_pairs_hook=_interned)
                     for text in self._instances]
        for meter in self._meters:
            yield from _split(self._samples(meter, cycle, instances),
                              self._batch)

    def _samples(self, meter, cycle, instances):
        timestamp = (meter.timestamp + datetime.timedelta(
            seconds=cycle * INTERVAL_SECONDS)).isoformat()
        grown = meter.growth * INTERVAL_SECONDS * cycle
        for number, instance in enumerate(instances):
            point = meter.points.get(number % self._guests)
            if point is None:
                continue
            prefix, suffix, more = instance["special"][meter.name]
            metadata = {**instance["metadata"], **more}
            volume = point["counter_volume"]
            if grown:
                volume += type(volume)(
                    grown * (number % _SHARES + 1) / _SHARES)
            one = sample.Sample(
                name=meter.name, type=meter.type, unit=meter.unit,
                volume=volume, user_id=instance["user_id"],
                project_id=instance["project_id"],
                resource_id=prefix + metadata["instance_id"] + suffix,
                timestamp=timestamp, resource_metadata=metadata,
                source="openstack",
                id="%08x-e64a-11f1-9c4e-02fc00000001" % number)
            # Our driver sets this attribute.
            one.monotonic_time = (
                point["monotonic_time"] + INTERVAL_SECONDS * cycle
                + _JITTERS_SECONDS[(7 * cycle + number)
                                   % len(_JITTERS_SECONDS)])
            yield one
