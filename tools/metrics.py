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


"""Prints the table of ``doc/source/metrics.rst``.

What there is to poll, its type and its unit come from the installed
Ceilometer's own pollsters, what becomes of it from the packaged definitions::

    python -m tools.metrics > doc/source/tables/metrics.inc
"""

from importlib import metadata

from ceilometer import sample

from ceilometer_graphite import definitions

NAMESPACE = "ceilometer.poll.compute"
# Where a meter's samples are of a disk or a NIC, its name ends the series.
DEVICES = (("disk.device.", ".DISK"), ("network.", ".NIC"))
MEANINGS = {
    "cpu": "CPU used, of all vCPUs of the instance; 100 is all of them busy",
    "disk.device.allocation": "what the disk takes on the host's storage",
    "disk.device.capacity": "size of the disk, as the guest sees it",
    "disk.device.read.bytes": "read by the guest",
    "disk.device.read.latency": "time that reads took, summed up",
    "disk.device.read.requests": "reads",
    "disk.device.usage": "size of the image file or volume on the host",
    "disk.device.write.bytes": "written by the guest",
    "disk.device.write.latency": "time that writes took, summed up",
    "disk.device.write.requests": "writes",
    "disk.ephemeral.size": "ephemeral disk of the flavor",
    "disk.root.size": "root disk of the flavor",
    "memory": "what the balloon leaves to the guest; where it is polled it "
              "takes the place of the flavor's",
    "memory.available": "memory that the guest's kernel sees; of its balloon "
                        "driver",
    "memory.resident": "memory that the guest takes on the host",
    "memory.swap.in": "swapped in by the guest; of its balloon driver",
    "memory.swap.out": "swapped out by the guest; of its balloon driver",
    "memory.usage": "memory used in the guest; of its balloon driver",
    "network.incoming.bytes": "received by the guest",
    "network.incoming.bytes.delta": "received since the poll before",
    "network.incoming.bytes.rate": "the inspector's own rate; libvirt's has "
                                   "none",
    "network.incoming.packets": "packets received",
    "network.incoming.packets.drop": "packets dropped on their way in",
    "network.incoming.packets.error": "packets received with an error",
    "network.outgoing.bytes": "sent by the guest",
    "network.outgoing.bytes.delta": "sent since the poll before",
    "network.outgoing.bytes.rate": "the inspector's own rate; libvirt's has "
                                   "none",
    "network.outgoing.packets": "packets sent",
    "network.outgoing.packets.drop": "packets dropped on their way out",
    "network.outgoing.packets.error": "packets that could not be sent",
    "perf.cache.misses": "a perf event of libvirt, if the domain has it",
    "perf.cache.references": "a perf event of libvirt, if the domain has it",
    "perf.cpu.cycles": "a perf event of libvirt, if the domain has it",
    "perf.instructions": "a perf event of libvirt, if the domain has it",
    "power.state": "libvirt's state: 1 running, 3 paused, 5 shut off",
    "vcpus": "vCPUs that the instance has now",
}
GAUGES = {
    "memory": "memory of the flavor",
    "cpu_count": "vCPUs of the flavor",
    "disk_space": "root and ephemeral disk of the flavor",
}
HEAD = """\
.. list-table::
   :header-rows: 1
   :widths: 34 10 30 26

   * - Series
     - Unit
     - What it is
     - Made of
"""


def pollsters():
    """The compute agent's pollsters, as pairs of meter and class."""
    return [(point.name, point.load()) for point in sorted(
        metadata.entry_points(group=NAMESPACE), key=lambda each: each.name)]


def series(meter, pollster, packaged):
    """The name and the unit of what is published of a meter by default."""
    device = next((device for prefix, device in DEVICES
                   if meter.startswith(prefix)), "")
    if pollster.sample_type == sample.TYPE_CUMULATIVE:
        rate = packaged.rate(meter, pollster.sample_unit)
        return rate.name + device, rate.unit
    return meter + device, pollster.sample_unit


def rows(packaged):
    """Yield (series, unit, meaning, what it is made of)."""
    for meter, pollster in pollsters():
        made_of = "``%s``, %s" % (meter, pollster.sample_type)
        if pollster.sample_unit:
            made_of += ", %s" % pollster.sample_unit
        yield (*series(meter, pollster, packaged), MEANINGS[meter], made_of)
        for gauge in packaged.gauges(meter):
            yield (gauge.name, gauge.unit, GAUGES[gauge.name],
                   "``%s``, its metadata ``%s``" % (meter, gauge.metadata))


def table():
    """The table, in reStructuredText."""
    return HEAD + "".join(
        "   * - ``%s``\n     -%s\n     - %s\n     - %s\n" % (
            name, " " + unit if unit else "", meaning, made_of)
        for name, unit, meaning, made_of in rows(definitions.load()))


if __name__ == "__main__":
    print(table(), end="")
