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

Meters, their types and units come from the pollsters of the installed
Ceilometer, and the series from the packaged definitions::

    python -m tools.metrics > doc/source/tables/metrics.inc
"""

from importlib import metadata

from ceilometer import sample

from ceilometer_graphite import definitions

NAMESPACE = "ceilometer.poll.compute"
# Prefixes of meters of disks and NICs, and how their series end.
DEVICES = (("disk.device.", ".DISK"), ("network.", ".NIC"))
_RATE = "rate from the inspector itself; libvirt's has none"
_PERF = "perf event, if it is enabled for the domain"
MEANINGS = {
    "cpu": "CPU usage in percent of all vCPUs of the instance",
    "disk.device.allocation": "space that the disk takes on the storage",
    "disk.device.capacity": "size of the disk in the guest",
    "disk.device.read.bytes": "bytes that the guest read",
    "disk.device.read.latency": "total time of read requests",
    "disk.device.read.requests": "read requests",
    "disk.device.usage": "size of the image file or volume",
    "disk.device.write.bytes": "bytes that the guest wrote",
    "disk.device.write.latency": "total time of write requests",
    "disk.device.write.requests": "write requests",
    "disk.ephemeral.size": "ephemeral disk of the flavor",
    "disk.root.size": "root disk of the flavor",
    "memory": "memory that the balloon leaves to the guest; replaces the "
              "memory of the flavor if it is polled",
    "memory.available": "memory that the guest's kernel sees (from the "
                        "balloon driver)",
    "memory.resident": "memory that the guest uses on the hypervisor",
    "memory.swap.in": "memory that the guest swapped in (from the balloon "
                      "driver)",
    "memory.swap.out": "memory that the guest swapped out (from the balloon "
                       "driver)",
    "memory.usage": "memory used in the guest (from the balloon driver)",
    "network.incoming.bytes": "bytes that the guest received",
    "network.incoming.bytes.delta": "bytes received since the last poll",
    "network.incoming.bytes.rate": _RATE,
    "network.incoming.packets": "packets received",
    "network.incoming.packets.drop": "incoming packets dropped",
    "network.incoming.packets.error": "incoming packets with an error",
    "network.outgoing.bytes": "bytes that the guest sent",
    "network.outgoing.bytes.delta": "bytes sent since the last poll",
    "network.outgoing.bytes.rate": _RATE,
    "network.outgoing.packets": "packets sent",
    "network.outgoing.packets.drop": "outgoing packets dropped",
    "network.outgoing.packets.error": "outgoing packets with an error",
    "perf.cache.misses": _PERF,
    "perf.cache.references": _PERF,
    "perf.cpu.cycles": _PERF,
    "perf.instructions": _PERF,
    "power.state": "state in libvirt: 1 running, 3 paused, 5 shut off",
    "vcpus": "number of vCPUs now",
}
GAUGES = {
    "memory": "memory of the flavor",
    "cpu_count": "number of vCPUs of the flavor",
    "disk_space": "root and ephemeral disk of the flavor",
}
HEAD = """\
.. list-table::
   :header-rows: 1
   :widths: 34 10 30 26

   * - Series
     - Unit
     - Meaning
     - Meter, type and unit
"""


def pollsters():
    """Return (meter, class) of each pollster of the compute agent."""
    return [(point.name, point.load()) for point in sorted(
        metadata.entry_points(group=NAMESPACE), key=lambda each: each.name)]


def series(meter, pollster, packaged):
    """Return the name and unit of a meter's series, by default options."""
    device = next((device for prefix, device in DEVICES
                   if meter.startswith(prefix)), "")
    if pollster.sample_type == sample.TYPE_CUMULATIVE:
        rate = packaged.rate(meter, pollster.sample_unit)
        return rate.name + device, rate.unit
    return meter + device, pollster.sample_unit


def rows(packaged):
    """Yield (series, unit, meaning, source)."""
    for meter, pollster in pollsters():
        source = "``%s``, %s" % (meter, pollster.sample_type)
        if pollster.sample_unit:
            source += ", %s" % pollster.sample_unit
        yield (*series(meter, pollster, packaged), MEANINGS[meter], source)
        for gauge in packaged.gauges(meter):
            yield (gauge.name, gauge.unit, GAUGES[gauge.name],
                   "``%s``, metadata ``%s``" % (meter, gauge.metadata))


def table():
    """Return the table in reStructuredText."""
    return HEAD + "".join(
        "   * - ``%s``\n     -%s\n     - %s\n     - %s\n" % (
            name, " " + unit if unit else "", meaning, source)
        for name, unit, meaning, source in rows(definitions.load()))


if __name__ == "__main__":
    print(table(), end="")
