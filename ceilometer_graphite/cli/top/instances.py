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

"""The instances of a hypervisor, out of samples, as they are graphed."""

import dataclasses
import types

from ceilometer import sample as ceilometer_sample
from oslo_config import cfg

from ceilometer_graphite import conversion
from ceilometer_graphite import definitions as publisher_definitions
from ceilometer_graphite import naming
from ceilometer_graphite.cli import hypervisor

_MIB = 1024 ** 2


@dataclasses.dataclass
class Instance:
    """One instance. None is what is not known, as rates are at first.

    :ivar project: its name where Ceilometer finds names, else its id
    :ivar cpu_percent: 100 is all of its vCPUs busy
    :ivar memory_used_bytes: as its balloon driver tells
    """

    instance_id: str
    name: str
    project: str
    flavor: str
    state: str
    vcpus: int | None
    cpu_percent: float | None = None
    memory_used_bytes: float | None = None
    memory_bytes: float | None = None
    disk_read_bytes_per_second: float | None = None
    disk_write_bytes_per_second: float | None = None
    network_in_bytes_per_second: float | None = None
    network_out_bytes_per_second: float | None = None


# What the rates of a meter add up to: the meter's unit, what is shown of it,
# and the rate's unit.
_COUNTERS = {
    "cpu": ("ns", "cpu_percent", "%"),
    "disk.device.read.bytes": ("B", "disk_read_bytes_per_second", "B/s"),
    "disk.device.write.bytes": ("B", "disk_write_bytes_per_second", "B/s"),
    "network.incoming.bytes": ("B", "network_in_bytes_per_second", "B/s"),
    "network.outgoing.bytes": ("B", "network_out_bytes_per_second", "B/s"),
}
# Without a balloon, memory is the flavor's, a gauge that comes with cpu.
_GAUGES = {"memory": "memory_bytes", "memory.usage": "memory_used_bytes"}
METERS = [*_COUNTERS, *_GAUGES]


class Instances:
    """Turns polls into instances; it remembers counters for their rates.

    :param conf: the agent's ``ConfigOpts``
    :ivar notes: what cannot be shown, and why, as lines
    """

    def __init__(self, definitions: publisher_definitions.Definitions,
                 conf: cfg.ConfigOpts) -> None:
        # All devices of an instance have one name, and are added up.
        self._namer = naming.PathNamer(
            "{instance_id}.{meter}", prefix="", append_hostname=False)
        self._converter = conversion.Converter(types.SimpleNamespace(
            counters="rate", definitions=definitions, namer=self._namer,
            rate_expiry_seconds=conf.graphite.rate_expiry_seconds,
            rate_max_series=conf.graphite.rate_max_series))
        self.notes: list[str] = []
        self._shown = dict(_GAUGES)
        for meter, (unit, attribute, wanted) in _COUNTERS.items():
            rate = definitions.rate(meter, unit)
            if rate is None or rate.unit not in ("", wanted):
                self.notes.append(
                    "%s is not shown: the definitions make %s of it, and not "
                    "%s" % (attribute, rate.unit if rate else "no rate",
                            wanted))
            else:
                self._shown[rate.name] = attribute

    def update(self, samples: list[ceilometer_sample.Sample]
               ) -> list[Instance]:
        """The instances that samples of one poll are about.

        :param samples: those of :class:`hypervisor.InstanceHypervisor`
        :returns: one for each that has a sample ``hypervisor.INSTANCE``
        """
        found = {self._key(sample): _instance(sample)
                 for sample in samples if sample.name == hypervisor.INSTANCE}
        for sample in samples:
            instance = found.get(self._key(sample))
            if instance is not None and sample.name == "cpu":
                instance.vcpus = naming.metadata(sample).get(
                    "cpu_number") or instance.vcpus
        for line in self._converter.convert(samples)[0]:
            path, value, _ = line.split(" ")
            key, _, meter = path.partition(".")
            instance, attribute = found.get(key), self._shown.get(meter)
            if instance is None or attribute is None:
                continue
            if meter in _GAUGES:
                setattr(instance, attribute, float(value) * _MIB)
            else:
                setattr(instance, attribute, float(value) + (
                    getattr(instance, attribute) or 0))
        return list(found.values())

    def _key(self, sample):
        """As the converter's lines have it."""
        return self._namer.name(sample, "", "").partition(".")[0]


def _instance(sample):
    metadata = naming.metadata(sample)
    memory = metadata.get("memory_mb")
    return Instance(
        instance_id=sample.resource_id,
        name=metadata.get("display_name") or "",
        project=getattr(sample, "project_name", None)
        or sample.project_id or "",
        flavor=metadata.get("instance_type") or "",
        state=metadata.get("state") or "", vcpus=metadata.get("vcpus"),
        memory_bytes=memory and memory * _MIB)
