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
"""Real QEMU guests under a libvirtd of their own, defined as Nova does it.

Everything runs in private mount, network and process namespaces. So several
hypervisors can run at once, and none touches the machine's own libvirtd,
bridges and /etc/libvirt. The first process of the namespaces ends when the
pipe to its owner closes. So the kernel removes the guests, their bridge and
their taps, even if the owner is killed.
"""

import importlib.util
import os
import pathlib
import re
import shutil

from lab import command
from lab import domains
from lab import process

_COMMANDS = ("libvirtd", "virsh", "qemu-system-x86_64", "unshare", "ip",
             "busybox", "apt-get", "apt-cache", "dpkg")

_LIBVIRTD_CONF = """\
unix_sock_dir = "{directory}/run"
auth_unix_ro = "none"
auth_unix_rw = "none"
"""

_QEMU_CONF = """\
user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
security_driver = "none"
cgroup_controllers = []
namespaces = []
stdio_handler = "file"
"""

_TREES = ("etc/libvirt", "var/lib/libvirt", "var/log/libvirt",
          "var/cache/libvirt")

# Ends when its owner or libvirtd ends. The first process of a namespace must
# reap orphans, and bash does so while it waits.
_INIT = """\
set -e
directory=$1
shift
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /run
for tree in "$@"; do
    mount --bind "$directory/$tree" "/$tree"
done
ip link set lo up
ip link add br-lab type bridge
ip address add 192.0.2.1/24 dev br-lab
ip link set br-lab up
libvirtd -f /etc/libvirt/libvirtd.conf -p /run/libvirtd.pid &
cat "$directory/lifeline" &
wait -n
"""

GUESTS = domains.GUESTS


def missing():
    """Return a text of what this machine lacks to run guests, or ""."""
    lacks = [name for name in _COMMANDS if not shutil.which(name)]
    if importlib.util.find_spec("libvirt") is None:
        lacks.append("the Python module libvirt")
    lacks += [path for path in ("/dev/net/tun",
                                *(f"/{tree}" for tree in _TREES))
              if not os.path.exists(path)]
    if os.geteuid() != 0:
        lacks.append("root")
    return ", ".join(lacks)


class Hypervisor:
    """A context manager with a libvirtd and running guests.

    :param directory: an empty folder for disks and logs, which are not
        removed. Its path has at most 80 characters, because it contains a
        socket.
    :ivar uri: the value for `[DEFAULT] libvirt_uri`. The agent needs nothing
        else.
    """

    guests = GUESTS

    def __init__(self, directory):
        self.directory = pathlib.Path(directory).absolute()
        self.uri = ("qemu+unix:///system?socket="
                    f"{self.directory}/run/libvirt-sock")
        self._process = process.Process(
            "libvirtd",
            ["unshare", "--mount", "--net", "--pid", "--fork",
             "--mount-proc", "--kill-child",
             "bash", "-c", _INIT, "init", str(self.directory), *_TREES],
            self.directory / "libvirtd.log")
        self._lifeline = None

    def __enter__(self):
        """Return when the Linux guest writes to its disks.

        :raises LabError: with the end of a log, if it does not. Nothing is
            left running then.
        """
        try:
            self._start_libvirtd()
            for guest in self.guests:
                self._define(guest)
                self.start(guest)
            self._wait_for_load()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *exc_info):
        self.close()

    def start(self, guest):
        """Start a guest that is shut off."""
        self._virsh("start", guest.name)

    def pause(self, guest):
        """Stop a guest's vCPUs until it is resumed."""
        self._virsh("suspend", guest.name)

    def resume(self, guest):
        """Resume a paused guest."""
        self._virsh("resume", guest.name)

    def destroy(self, guest):
        """Switch a guest off. It stays defined and can be started again."""
        self._virsh("destroy", guest.name)

    def waited_seconds(self, guest):
        """Return how long its first vCPU has waited for a CPU."""
        stats = self._virsh("domstats", "--vcpu", guest.name)
        return int(re.search(r"vcpu\.0\.delay=(\d+)", stats)[1]) / 1e9

    def close(self):
        """End the namespaces and everything that runs in them."""
        if self._lifeline is None:
            return
        os.close(self._lifeline)
        self._lifeline = None
        try:
            self._process.wait(30)
        finally:
            self._process.kill()

    def _start_libvirtd(self):
        for tree in ("run", "disks", *_TREES):
            (self.directory / tree).mkdir(parents=True)
        etc = self.directory / "etc/libvirt"
        (etc / "libvirtd.conf").write_text(
            _LIBVIRTD_CONF.format(directory=self.directory))
        (etc / "qemu.conf").write_text(_QEMU_CONF)
        os.mkfifo(self.directory / "lifeline")
        self._lifeline = os.open(self.directory / "lifeline", os.O_RDWR)
        self._process.start()
        self._process.wait_until(self._answers, 60, self.uri)

    def _answers(self):
        try:
            return self._virsh("uri")
        except process.LabError:
            return False

    def _virsh(self, *arguments):
        return command.run(
            "virsh", "--quiet", "--connect", self.uri, *arguments)

    def _wait_for_load(self):
        console = self.directory / "linux.log"
        try:
            self._process.wait_until(
                lambda: "load starts" in console.read_text(errors="replace"),
                120, "the load of the Linux guest")
        except process.LabError as error:
            end = console.read_text(errors="replace")[-2000:]
            raise process.LabError(f"{error}\n{end}") from error

    def _define(self, guest):
        definition = domains.write_definition(guest, self.directory)
        self._virsh("define", str(definition))
