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


"""A disposable copy of this machine, to install things on.

The copy shows the files of this machine. Its changes are kept in memory, in a
mount namespace that ends with the copy. It shares processes, user ids and the
network with this machine. It needs root and a kernel with overlayfs.
"""

import os
import shlex
import subprocess

from lab import process

# An overlay of the root, visible in this namespace only.
_MOUNTS = """\
mount -t tmpfs tmpfs {directory}
mkdir {directory}/upper {directory}/work {directory}/merged
mount -t overlay overlay {directory}/merged -o \
lowerdir=/,upperdir={directory}/upper,workdir={directory}/work
for each in proc sys dev {shown}
do
    mkdir -p {directory}/merged/$each
    mount --rbind /$each {directory}/merged/$each
done
for each in {shown}
do
    mount -o remount,bind,ro {directory}/merged/$each
done
echo ready
exec sleep infinity
"""


class Machine(process.Process):
    """A copy of this machine.

    :param directory: an empty folder for its mounts and its log.
    :param shown: further mount points of this machine that the copy can read.
    """

    def __init__(self, directory, shown=()):
        self.directory = process.folder(directory)
        self._root = self.directory / "mounts/merged"
        self._root.parent.mkdir()
        script = _MOUNTS.format(
            directory=shlex.quote(str(self._root.parent)),
            shown=shlex.join(str(each).lstrip("/") for each in shown))
        super().__init__(
            "unshare", ["unshare", "--mount", "bash", "-ec", script],
            self.directory / "machine.log")

    def start(self):
        """Start it; return when it can run commands."""
        super().start()
        self.wait_for_log("ready", 20)

    def inside(self, *command):
        """Return the command line that runs a command on the copy, as root."""
        return ["nsenter", f"--target={self.pid}", "--mount", "chroot",
                str(self._root), *command]

    def run(self, script, env=None, cwd="/srv"):
        """Run a script, which ends at the first command that fails.

        :returns: its output, including errors.
        :raises LabError: with the output, if it fails.
        """
        script = f"cd {shlex.quote(cwd)}\n{script}"
        done = subprocess.run(
            self.inside("bash", "-eo", "pipefail", "-c", script),
            env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            raise process.LabError(
                f"{script}\nended with {done.returncode}:\n{done.stdout}")
        return done.stdout

    def write(self, path, text):
        """Write a file that everybody can read."""
        subprocess.run(
            self.inside("bash", "-ec", 'mkdir -p "${0%/*}"; cat > "$0"',
                        str(path)),
            input=text, text=True, check=True)
