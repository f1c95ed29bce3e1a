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

"""What the benchmarks publish: samples that can be told apart.

The volume of a sample is its sequence number, which each protocol carries.
"""

import datetime
import time
import uuid

from ceilometer import sample

BATCH = 50
SERIES = 5000
MARK = ".bench."
_METERS = 20
_PROJECT = uuid.uuid5(uuid.NAMESPACE_DNS, "project").hex
_INSTANCES = [str(uuid.uuid5(uuid.NAMESPACE_DNS, "instance-%d" % number))
              for number in range(SERIES // _METERS)]
_METADATA = {"instance_host": "compute-1.example.org"}


def _series(number):
    """The instance and the meter of a sequence number."""
    number %= SERIES
    return (_INSTANCES[number // _METERS],
            "series.bench.meter%02d" % (number % _METERS))


def samples(first):
    """One batch of Ceilometer's samples, as its agent hands it over.

    :param first: the sequence number of the first of ``BATCH``
    """
    now = datetime.datetime.now(datetime.timezone.utc)
    timestamp = now.replace(tzinfo=None).isoformat()
    batch = []
    for number in range(first, first + BATCH):
        instance, meter = _series(number)
        batch.append(sample.Sample(
            name=meter, type=sample.TYPE_GAUGE, unit="", volume=number,
            user_id=_PROJECT, project_id=_PROJECT, resource_id=instance,
            timestamp=timestamp, resource_metadata=_METADATA))
    return batch


def datapoints(first):
    """The same batch for clients of Graphite: (path, value, seconds)."""
    now = int(time.time())
    batch = []
    for number in range(first, first + BATCH):
        batch.append(("ceilometer.compute-1.%s.%s.%s" % (
            _PROJECT, *_series(number)), number, now))
    return batch
