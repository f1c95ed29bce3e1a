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

"""Samples that a benchmark can count.

The volume of a sample is its sequence number, which each protocol carries.
"""

import datetime
import time
import typing
import uuid

from ceilometer import sample

BATCH = 50
SERIES = 5000
# A part of each path, which no series of the publisher itself has.
MARK = ".bench."
_METERS = 20
_PROJECT = uuid.uuid5(uuid.NAMESPACE_DNS, "project").hex
_INSTANCES = [str(uuid.uuid5(uuid.NAMESPACE_DNS, "instance-%d" % number))
              for number in range(SERIES // _METERS)]
_METADATA = [{"instance_host": "compute-1.example.org", "instance_id": each,
              "display_name": "vm-%d" % number}
             for number, each in enumerate(_INSTANCES)]


def timestamp(seconds: float) -> str:
    """Return epoch seconds in Ceilometer's format: UTC without an offset."""
    return datetime.datetime.fromtimestamp(
        seconds, datetime.timezone.utc).replace(tzinfo=None).isoformat()


def gauge(project: str, resource: str, **fields: typing.Any) -> sample.Sample:
    """Return a sample; its user has the project's id."""
    return sample.Sample(
        type=sample.TYPE_GAUGE, unit="", user_id=project, project_id=project,
        resource_id=resource, **fields)


def samples(first: int) -> list:
    """Return a batch, as Ceilometer's agent passes it to a publisher.

    :param first: sequence number of the first of ``BATCH`` samples
    """
    now = timestamp(time.time())
    batch = []
    for number in range(first, first + BATCH):
        instance, meter = divmod(number % SERIES, _METERS)
        batch.append(gauge(
            _PROJECT, _INSTANCES[instance], timestamp=now, volume=number,
            name="series.bench.meter%02d" % meter,
            resource_metadata=_METADATA[instance]))
    return batch
