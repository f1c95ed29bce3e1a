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

"""The simulated hypervisor, steered by files in the folder STEERING.

``away`` is there: libvirt cannot be reached. ``gone`` and ``off`` hold names
of domains that are not there, or shut off; a name is Nova's. ``bursts`` is
there: each NIC receives a megabyte at once at each full second.
"""

import importlib.util
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


def _is_in(name, domain):
    path = _STEERING / name
    names = path.read_text().split() if path.exists() else ()
    return any(f"<name>{each}</name>" in domain.metadata(0, "")
               for each in names)


class _Domain(_SIMULATOR.Domain):
    def is_here(self):
        return super().is_here() and not _is_in("gone", self)

    def interfaceStats(self, tap):
        received, *others = super().interfaceStats(tap)
        if (_STEERING / "bursts").exists():
            received = int(time.time()) * 10 ** 6
        return [received, *others]

    def state(self, flags=0):
        return [self.info()[0], 1]

    def info(self):
        state, *others = super().info()
        return [_SIMULATOR.VIR_DOMAIN_SHUTOFF if _is_in("off", self)
                else state, *others]


class _Connection(_SIMULATOR.Connection):
    def isAlive(self):
        return not (_STEERING / "away").exists()

    def listAllDomains(self, flags=0):
        if not self.isAlive():
            raise _SIMULATOR.libvirtError("the socket is gone", 38)
        return [domain for domain in self._domains.values()
                if domain.is_here()]


_SIMULATOR.Domain, _SIMULATOR.Connection = _Domain, _Connection
