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

"""Reads the simulated hypervisor's counters directly."""

import importlib.util
import os
import time

from tests.functional import commands

_PATH = commands.ROOT / "lab/simulator/libvirt.py"
MIB = 1024 ** 2


def read(env):
    """Return {id of an instance: its counters now}.

    :param env: the hypervisor's environment, which configures it
    """
    spec = importlib.util.spec_from_file_location("simulator", _PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    before = dict(os.environ)
    os.environ.update(env)
    try:
        domains = module.openReadOnly().listAllDomains()
    finally:
        os.environ.clear()
        os.environ.update(before)
    return {domain.UUIDString(): _counters(domain) for domain in domains}


def _counters(domain):
    disks, taps = domain._disks, domain._taps
    _, memory_kib, _, vcpus, cpu_ns = domain.info()
    stats = domain.memoryStats()
    return {
        "seconds": time.time(), "vcpus": vcpus,
        "memory_bytes": memory_kib * 1024,
        "memory_used_bytes": 1024 * (stats["available"] - stats["usable"]),
        "cpu": cpu_ns / vcpus / 1e7,
        "disk_read": sum(domain.blockStats(disk)[1] for disk in disks),
        "disk_write": sum(domain.blockStats(disk)[3] for disk in disks),
        "network_in": sum(domain.interfaceStats(tap)[0] for tap in taps),
        "network_out": sum(domain.interfaceStats(tap)[4] for tap in taps)}


def rates(before, after):
    """Return each instance's rates between two readings, as in top."""
    return {machine: {
        "vcpus": now["vcpus"], "memory_bytes": now["memory_bytes"],
        "memory_used_bytes": now["memory_used_bytes"],
        "cpu_percent": _rate(before[machine], now, "cpu"),
        **{f"{name}_bytes_per_second": _rate(before[machine], now, name)
           for name in ("disk_read", "disk_write", "network_in",
                        "network_out")}}
        for machine, now in after.items()}


def _rate(before, after, name):
    return (after[name] - before[name]) / (after["seconds"]
                                           - before["seconds"])
