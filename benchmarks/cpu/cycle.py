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

"""What an agent with many instances hands over, one polling cycle at a time.

The instances are copies of the guests of a recording of a real agent, with
identifiers of their own: the same meters, metadata and resource ids.
"""

import datetime
import hashlib
import itertools
import json
import pathlib
import re
import sys
import typing

from ceilometer import sample

INTERVAL_SECONDS = 60
_RECORDING = (pathlib.Path(__file__).parents[2] / "tests" / "fixtures"
              / "polling-27.0.0.json")
_IDENTIFIER = re.compile(
    r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32,}"
    r"|(?<=tap)[0-9a-f]{8}-[0-9a-f]{2}|(?<=instance-)[0-9a-f]{8}")
# Of a counter's recorded growth, an instance has so many of these parts.
_SHARES = 97
# No poll comes on the dot.
_JITTERS_SECONDS = [number * 0.0013 for number in range(11)]


class _Point(typing.NamedTuple):
    """A meter of one guest: what is special about it, and how it stood.

    :ivar special: index into the guest's list
    """

    special: int
    volume: float
    monotonic_time: float


class _Meter(typing.NamedTuple):
    name: str
    type: str
    unit: str
    growth: float
    timestamp: datetime.datetime
    points: dict


def _interned(pairs):
    """A dict whose keys are, as in the agent, those that code names."""
    return {sys.intern(key): value for key, value in pairs}


def _guest(samples):
    """What the samples of one guest have in common, and what they have not.

    :param samples: as they were notified
    :returns: a dict; what is special in it are lists of what stands before
        and after the instance's id in the resource_id, and of more metadata
    """
    common = min(samples, key=lambda each: len(each["resource_metadata"]))
    metadata = common["resource_metadata"]
    special = []
    for each in samples:
        before, _, after = each["resource_id"].partition(
            metadata["instance_id"])
        own = [before, after, {
            key: value for key, value in each["resource_metadata"].items()
            if key not in metadata or value != metadata[key]}]
        if own not in special:
            special.append(own)
        each["special"] = special.index(own)
    return {"user_id": common["user_id"], "project_id": common["project_id"],
            "metadata": metadata, "special": special}


def _meter(samples, later, numbers):
    """One meter as one notification had it.

    :param samples: of that notification, of which :func:`_guest` knows
    :param later: those of the next cycle, from which a counter's growth is
    :param numbers: of the guests, by their instance_id
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
        {numbers[each["resource_metadata"]["instance_id"]]: _Point(
            each["special"], each["counter_volume"], each["monotonic_time"])
         for each in samples})


def recorded():
    """The messages of each cycle of the recording, as a driver got them."""
    return [[notification["message"] for notification in cycle]
            for cycle in json.loads(_RECORDING.read_text())["cycles"]]


def _load():
    """The recording.

    :returns: the guests, and the meters in the order in which they came
    """
    cycles = [[message["payload"]["samples"] for message in messages]
              for messages in recorded()]
    by_instance = {}
    for each in itertools.chain.from_iterable(cycles[0]):
        by_instance.setdefault(
            each["resource_metadata"]["instance_id"], []).append(each)
    guests = [_guest(samples) for samples in by_instance.values()]
    numbers = {name: number for number, name in enumerate(by_instance)}
    return guests, [_meter(samples, later, numbers)
                    for samples, later in zip(*cycles, strict=True)]


def _copied(text, copy):
    """A text with identifiers of the same shape that no other copy has."""
    def identifier(match):
        digits = iter(hashlib.sha256(
            ("%d %s" % (copy, match[0])).encode("ascii")).hexdigest())
        return "".join(char if char == "-" else next(digits)
                       for char in match[0])
    return _IDENTIFIER.sub(identifier, text)


def _split(samples, size):
    while batch := list(itertools.islice(samples, size)):
        yield batch


class Node:
    """The instances of one compute node.

    :param instances: how many
    :param batch: how many samples are handed over at once at most
    :param across_meters: whether a batch is filled up with samples of the
        next meter; the agent never does that
    """

    def __init__(self, instances, batch, across_meters=False):
        guests, self._meters = _load()
        self._kinds = len(guests)
        self._batch = batch
        self._across_meters = across_meters
        texts = [json.dumps(guest) for guest in guests]
        self._servers = [
            _copied(texts[number % self._kinds], number // self._kinds)
            for number in range(instances)]

    @property
    def samples_per_cycle(self):
        """How many samples one cycle has."""
        return sum(number % self._kinds in meter.points
                   for meter in self._meters
                   for number in range(len(self._servers)))

    def batches(self, cycle):
        """The batches of one cycle, each made when it is asked for.

        As with ``instance_discovery_method = libvirt_metadata``, what is
        known of an instance is read anew in each cycle. Its samples share
        that, but each has metadata and a resource_id of its own.

        :param cycle: its number; its clocks and counters go on with it
        """
        # A new text for each value, as from the domain's XML.
        servers = [json.loads(text, object_pairs_hook=_interned)
                   for text in self._servers]
        by_meter = (self._samples(meter, cycle, servers)
                    for meter in self._meters)
        if self._across_meters:
            by_meter = [itertools.chain.from_iterable(by_meter)]
        for samples in by_meter:
            yield from _split(samples, self._batch)

    def _samples(self, meter, cycle, servers):
        timestamp = (meter.timestamp + datetime.timedelta(
            seconds=cycle * INTERVAL_SECONDS)).isoformat()
        grown = meter.growth * INTERVAL_SECONDS * cycle
        for number, server in enumerate(servers):
            point = meter.points.get(number % self._kinds)
            if point is None:
                continue
            before, after, more = server["special"][point.special]
            metadata = {**server["metadata"], **more}
            volume = point.volume
            if grown:
                volume += type(volume)(
                    grown * (number % _SHARES + 1) / _SHARES)
            one = sample.Sample(
                name=meter.name, type=meter.type, unit=meter.unit,
                volume=volume, user_id=server["user_id"],
                project_id=server["project_id"],
                resource_id=before + metadata["instance_id"] + after,
                timestamp=timestamp, resource_metadata=metadata,
                source="openstack",
                id="%08x-e64a-11f1-9c4e-02fc00000001" % number)
            # As the driver does it.
            one.monotonic_time = (
                point.monotonic_time + INTERVAL_SECONDS * cycle
                + _JITTERS_SECONDS[(7 * cycle + number)
                                   % len(_JITTERS_SECONDS)])
            yield one
