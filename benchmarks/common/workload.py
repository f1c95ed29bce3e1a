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

"""What the faults' load publishes: samples that can be distinguished.

The volume of a sample is its sequence number, which each protocol carries.
"""

import datetime
import uuid

from ceilometer import sample

BATCH = 50
SERIES = 5000
MARK = ".bench."
_METERS = 20
_PROJECT = uuid.uuid5(uuid.NAMESPACE_DNS, "project").hex
_INSTANCES = [str(uuid.uuid5(uuid.NAMESPACE_DNS, "instance-%d" % number))
              for number in range(SERIES // _METERS)]
_METADATA = [{"instance_host": "compute-1.example.org", "instance_id": each,
              "display_name": "vm-%d" % number}
             for number, each in enumerate(_INSTANCES)]


def samples(first: int) -> list:
    """Return a batch of samples, as Ceilometer's agent hands it over.

    :param first: the sequence number of the first of ``BATCH``
    """
    now = datetime.datetime.now(datetime.timezone.utc)
    timestamp = now.replace(tzinfo=None).isoformat()
    batch = []
    for number in range(first, first + BATCH):
        instance, meter = divmod(number % SERIES, _METERS)
        batch.append(sample.Sample(
            name="series.bench.meter%02d" % meter, type=sample.TYPE_GAUGE,
            unit="", volume=number, user_id=_PROJECT, project_id=_PROJECT,
            resource_id=_INSTANCES[instance], timestamp=timestamp,
            resource_metadata=_METADATA[instance]))
    return batch
