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


"""A copy of this machine to install things on, which leaves nothing behind.

Its files are this machine's until they are changed; changes are kept in
memory, in a mount namespace that ends with the copy. Processes, users' ids and
the network are this machine's. It takes root, and a kernel with overlayfs.
"""

import os
import shlex
import subprocess

from lab import process

# A mount that is only here, below which everything may change.
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

    :param directory: an empty one, for its mounts and its log.
    :param shown: more folders that it has of this machine, to be read, for
        those that are mounted on their own.
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
        """Return when commands can be run on it."""
        super().start()
        self.wait_for_log("ready", 20)

    def inside(self, *command):
        """Return what runs a command on the copy, as its root."""
        return ["nsenter", f"--target={self.pid}", "--mount", "chroot",
                str(self._root), *command]

    def run(self, script, env=None, cwd="/srv"):
        """Run the text of a script, whose first failure ends it.

        :returns: what it printed, errors too.
        :raises LabError: with that, when it failed.
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
        """Write a file that all may read."""
        subprocess.run(
            self.inside("bash", "-ec", 'mkdir -p "${0%/*}"; cat > "$0"',
                        str(path)),
            input=text, text=True, check=True)
