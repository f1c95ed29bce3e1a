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

"""The simulated hypervisor, steered by files.

The environment variable STEERING names their folder:

* ``away``: if it exists, libvirt cannot be reached.
* ``bursts``: if it exists, each NIC receives a megabyte at once in each
  second.
* ``gone``, ``off``: names of domains that do not exist, or are shut off.
* ``changes.json``: other changes, by name of the domain. ``vcpus``, ``disks``
  and ``nics`` are numbers. ``name`` is a new name in Nova. ``booted`` and
  ``paused`` are epoch seconds at which counters restarted or stopped.
  ``lacks`` is true if libvirt has no counters of disks and NICs, which it
  reports as -1, and no time that vCPUs wait.

The name of a domain is the first name that Nova gave it. Counters do not
change if the wall clock is set, like those of a kernel.
"""

import importlib.util
import json
import os
import pathlib
import time

_PATH = (pathlib.Path(__file__).absolute().parent.parent
         / "simulator/libvirt.py")
_SPEC = importlib.util.spec_from_file_location("simulator", _PATH)
_SIMULATOR = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(_SIMULATOR)
globals().update((name, value) for name, value in vars(_SIMULATOR).items()
                 if not name.startswith("__"))
_STEERING = pathlib.Path(os.environ["STEERING"])
VIR_DOMAIN_PAUSED = 3
_BEGAN = time.time() - time.monotonic()


def _is_in(name, domain):
    path = _STEERING / name
    return path.exists() and domain.nova_name in path.read_text().split()


def _changes(domain):
    path = _STEERING / "changes.json"
    changes = json.loads(path.read_text()) if path.exists() else {}
    return changes.get(domain.nova_name, {})


class _Domain(_SIMULATOR.Domain):
    def __init__(self, *args):
        super().__init__(*args)
        self._first = self._role
        self._changes = {}

    def is_here(self):
        changes = _changes(self)
        if changes != self._changes:
            self._change(changes)
        return super().is_here() and not _is_in("gone", self)

    def _change(self, changes):
        first = self._first
        self._equip(first._replace(
            flavor=first.flavor._replace(
                vcpus=changes.get("vcpus", first.flavor.vcpus)),
            disks=changes.get("disks", first.disks),
            nics=changes.get("nics", first.nics)),
            changes.get("name", self.nova_name))
        self._changes = changes

    def _days(self):
        now = min(_BEGAN + time.monotonic(),
                  self._changes.get("paused", float("inf")))
        return (now - self._start) / self._day

    def _booted_before(self, days):
        booted = self._changes.get("booted")
        return (super()._booted_before(days) if booted is None
                else (booted - self._start) / self._day)

    def stats(self):
        return {key: value for key, value in super().stats().items()
                if not (self._changes.get("lacks") and key.endswith("wait"))}

    def blockStats(self, device):
        stats = super().blockStats(device)
        return (-1,) * len(stats) if self._changes.get("lacks") else stats

    def interfaceStats(self, tap):
        received, *others = super().interfaceStats(tap)
        if (_STEERING / "bursts").exists():
            received = int(time.time()) * 10 ** 6
        stats = [received, *others]
        return [-1] * len(stats) if self._changes.get("lacks") else stats

    def state(self, flags=0):
        return [self.info()[0], 1]

    def info(self):
        state, *others = super().info()
        if _is_in("off", self):
            state = _SIMULATOR.VIR_DOMAIN_SHUTOFF
        elif "paused" in self._changes:
            state = VIR_DOMAIN_PAUSED
        return [state, *others]


class _Connection(_SIMULATOR.Connection):
    def isAlive(self):
        return not (_STEERING / "away").exists()

    def listAllDomains(self, flags=0):
        if not self.isAlive():
            raise _SIMULATOR.libvirtError("the socket is gone", 38)
        return [domain for domain in self._domains.values()
                if domain.is_here()]


_SIMULATOR.Domain, _SIMULATOR.Connection = _Domain, _Connection
