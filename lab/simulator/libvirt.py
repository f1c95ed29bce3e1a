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

"""A simulated hypervisor behind the name of libvirt's Python module.

With this folder first on PYTHONPATH, Ceilometer's own discovery, inspector
and pollsters see a compute node of any size, without libvirt or root. The
module has only what Ceilometer calls, with libvirt's units and types. A
counter is a function of the time since SIMULATOR_START, so all processes see
the same values.

Environment variables configure it, with these defaults:

* SIMULATOR_INSTANCES (12)
* SIMULATOR_SEED (1): another seed makes other ids.
* SIMULATOR_START (1577836800): an epoch second.
* SIMULATOR_DAY (600): seconds of a day, after which loads repeat.
* SIMULATOR_EVENTS (1): once a day, app-01 reboots, and edge-01 migrates away
  and returns with counters that start at 0.
"""

import collections
import functools
import math
import os
import random
import time
import typing
import uuid

VIR_DOMAIN_RUNNING, VIR_DOMAIN_SHUTOFF = 1, 5
VIR_DOMAIN_METADATA_ELEMENT = 2
VIR_ERR_INTERNAL_ERROR, VIR_ERR_SYSTEM_ERROR = 1, 38
VIR_ERR_NO_DOMAIN, VIR_ERR_NO_DOMAIN_METADATA = 42, 80
VIR_FROM_RPC, VIR_FROM_QEMU, VIR_FROM_REMOTE = 7, 10, 13
KIB, MIB, GIB = 1024, 1024 ** 2, 1024 ** 3
DEFAULTS = {"INSTANCES": 12, "SEED": 1, "START": 1577836800, "DAY": 600,
            "EVENTS": 1}
REBOOT_AT, LEAVES_AT, RETURNS_AT = 0.55, 0.35, 0.6  # of a day
NAMESAKE_SCALES = (1, 0.62, 0.8, 0.5, 0.9)
NOVA_XML = """<instance><name>{name}</name>
<flavor name="{flavor.name}" id="{flavor.id}"><memory>{flavor.ram_mib}</memory>
<disk>{flavor.disk_gib}</disk><vcpus>{flavor.vcpus}</vcpus>
<extraSpecs><extraSpec name="hw:cpu_policy">shared</extraSpec></extraSpecs>
</flavor><owner><user uuid="{user}"/><project uuid="{project}"/></owner>
<root type="image" uuid="9498ea40-bf8f-56cf-b5b3-33c57bfe790f"/></instance>"""
DOMAIN_XML = """<domain type="kvm"><name>{name}</name><uuid>{uuid}</uuid>
<os><type arch="x86_64">hvm</type></os><devices>{devices}</devices></domain>"""
DISK_XML = """<disk type="file" device="disk"><source file="/{0}.qcow2"/>
<target dev="{0}" bus="virtio"/></disk>"""
NIC_XML = """<interface type="bridge"><mac address="{mac}"/>
<source bridge="br-int"/><target dev="{tap}"/></interface>"""


class libvirtError(Exception):
    def get_error_code(self):
        return self.args[1]

    def get_error_domain(self):
        return VIR_FROM_QEMU


Flavor = collections.namedtuple("Flavor", "id name vcpus ram_mib disk_gib")
TINY = Flavor("1", "m1.tiny", 1, 512, 1)
SMALL = Flavor("2", "m1.small", 1, 2048, 20)
MEDIUM = Flavor("3", "m1.medium", 2, 4096, 40)
LARGE = Flavor("4", "m1.large", 4, 8192, 80)


class Role(typing.NamedTuple):
    """A kind of instance: its load as a share of its vCPUs, and its traffic.

    The load is the sum of `base`, a sine of amplitude `wave`, and `burst`
    during the first 0.3 of each half day. base >= wave, and the sum of the
    three is below 1.
    """
    name: str
    flavor: Flavor
    base: float
    wave: float
    burst: float = 0.0
    disks: int = 1
    nics: int = 1
    disk_bytes: int = 2 * MIB  # written per second at full load
    net_bytes: int = MIB  # sent per second at full load


ROLES = (
    Role("web", MEDIUM, 0.45, 0.25, nics=2, net_bytes=12 * MIB),
    Role("db", LARGE, 0.72, 0.06, disks=2, disk_bytes=40 * MIB),
    Role("batch", LARGE, 0.08, 0.02, burst=0.75, disks=2),
    Role("cache", SMALL, 0.22, 0.08, net_bytes=6 * MIB),
    Role("ci", LARGE, 0.94, 0.03, disk_bytes=16 * MIB),
    Role("app", MEDIUM, 0.34, 0.04, nics=2),
    Role("edge", SMALL, 0.56, 0.04, net_bytes=20 * MIB),
    Role("vpn", TINY, 0.02, 0.01, disk_bytes=KIB, net_bytes=KIB),
)


def load_integral(role, days):
    """Return the integral of the load over a role's first `days` days."""
    turn = 2 * math.pi
    # A smaller and faster wave makes the curve look more real.
    headroom = min(role.base, 1 - role.base - role.burst) - role.wave
    waves = (role.wave * math.cos(turn * days)
             + headroom / 12 * math.cos(3 * turn * days))
    halves, part = divmod(days * 2, 1)
    bursts = (halves * 0.3 + min(part, 0.3)) / 2
    return role.base * days - waves / turn + role.burst * bursts


class Domain:
    """One instance; stands in for libvirt's virDomain."""

    def __init__(self, index, seed, start, day, events):
        chance = random.Random(f"{seed}-{index}")
        owner = random.Random(f"{seed}-project-{index % 3}")
        number, kind = divmod(index, len(ROLES))
        self._index = index
        self._name = f"instance-{index + 1:08x}"
        self._uuid = str(uuid.UUID(int=chance.getrandbits(128), version=4))
        self._user, self._project = (
            f"{owner.getrandbits(128):032x}" for _ in range(2))
        self.nova_name = f"{ROLES[kind].name}-{number + 1:02d}"
        self._equip(ROLES[kind], self.nova_name)
        self._start, self._day = start, day
        self._booted = -chance.uniform(20, 200) * 86400 / day
        self._scale = NAMESAKE_SCALES[number % len(NAMESAKE_SCALES)]
        self._phase = 0.37 * number + 0.09 * kind
        self._reboots = events and (self._role.name, number) == ("app", 0)
        self._migrates = events and (self._role.name, number) == ("edge", 0)

    def _equip(self, role, name):
        """Set its flavor, disks, NICs and Nova's name."""
        self._role = role
        self._nova_xml = NOVA_XML.format(
            name=name, flavor=role.flavor, user=self._user,
            project=self._project)
        self._disks = tuple(f"vd{chr(ord('a') + disk)}"
                            for disk in range(role.disks))
        self._taps = tuple(f"tap{self._uuid[:8]}-{nic:02x}"
                           for nic in range(role.nics))
        devices = [DISK_XML.format(disk) for disk in self._disks]
        devices += [NIC_XML.format(mac=f"fa:16:3e:{self._index >> 8:02x}:"
                                       f"{self._index & 255:02x}:{nic:02x}",
                                   tap=tap)
                    for nic, tap in enumerate(self._taps)]
        self._domain_xml = DOMAIN_XML.format(
            name=self._name, uuid=self._uuid, devices="".join(devices))

    def _days(self):
        return (time.time() - self._start) / self._day

    def is_here(self):
        part = self._days() % 1
        return not (self._migrates and LEAVES_AT <= part < RETURNS_AT)

    def _booted_before(self, days):
        at = RETURNS_AT if self._migrates else REBOOT_AT
        if days < at or not (self._migrates or self._reboots):
            return self._booted
        return math.floor(days - at) + at

    def _work(self):
        """Return the seconds of full load since the counters were 0."""
        days = self._days()
        booted = self._booted_before(days)
        return self._day * self._scale * (
            load_integral(self._role, days + self._phase)
            - load_integral(self._role, booted + self._phase))

    def UUIDString(self):
        return self._uuid

    def name(self):
        return self._name

    def state(self, flags=0):
        return [VIR_DOMAIN_RUNNING, 1]

    def info(self):
        flavor = self._role.flavor
        return [VIR_DOMAIN_RUNNING, flavor.ram_mib * KIB, flavor.ram_mib * KIB,
                flavor.vcpus, int(self._work() * flavor.vcpus * 1e9)]

    def stats(self):
        vcpus, cpu_ns = self._role.flavor.vcpus, int(self._work() * 1e9)
        stats = {"vcpu.current": vcpus, "vcpu.maximum": vcpus}
        for vcpu in range(vcpus):
            stats |= {f"vcpu.{vcpu}.time": cpu_ns, f"vcpu.{vcpu}.wait": 0}
        return stats

    def memoryStats(self):
        ram_kib = self._role.flavor.ram_mib * KIB
        share = 0.5 + 0.3 * math.sin(2 * math.pi * self._days() + self._booted)
        return {"actual": ram_kib, "available": ram_kib, "rss": ram_kib,
                "usable": int(ram_kib * share), "swap_in": 0, "swap_out": 0}

    def blockStats(self, device):
        share = 1 if device == self._disks[-1] else 0.1
        written = int(self._work() * self._role.disk_bytes * share)
        read = written * 3 // 5
        return read // (16 * KIB), read, written // (8 * KIB), written, 0

    def blockStatsFlags(self, device, flags=0):
        reads, _read, writes, _written, _errors = self.blockStats(device)
        return {"rd_total_times": reads * 150_000,
                "wr_total_times": writes * 400_000}

    def blockInfo(self, device, flags=0):
        capacity = self._role.flavor.disk_gib * GIB
        return [capacity, capacity // 4, capacity // 2]

    def interfaceStats(self, tap):
        share = self._role.net_bytes * (1 if tap == self._taps[0] else 0.1)
        sent = int(self._work() * share)
        return sent // 4, sent // 2800, 0, 0, sent, sent // 1100, 0, 0

    def metadata(self, kind, uri, flags=0):
        return self._nova_xml

    def XMLDesc(self, flags=0):
        return self._domain_xml


class Connection:
    """Stands in for libvirt's virConnect."""

    def __init__(self, domains):
        self._domains = {domain.UUIDString(): domain for domain in domains}

    def isAlive(self):
        return 1

    def listAllDomains(self, flags=0):
        return list(filter(Domain.is_here, self._domains.values()))

    def lookupByUUIDString(self, uuid_string):
        domain = self._domains.get(uuid_string)
        if domain is None or not domain.is_here():
            raise libvirtError(f"Domain not found: {uuid_string}",
                               VIR_ERR_NO_DOMAIN)
        return domain

    def domainListGetStats(self, domains, stats=0, flags=0):
        return [(domain, domain.stats()) for domain in domains]


@functools.cache
def openReadOnly(uri=None):
    """Return the only connection, configured at the first call."""
    instances, *settings = (
        int(os.environ.get(f"SIMULATOR_{name}", default))
        for name, default in DEFAULTS.items())
    return Connection(Domain(index, *settings) for index in range(instances))
