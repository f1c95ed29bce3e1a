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

"""A command in its own terminal."""

import contextlib
import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time

import pyte

from lab import process

_TERM = "screen"  # pyte supports everything that curses uses for it


class Terminal:
    """A command in a pseudo terminal, and its screen.

    :param command: a list
    :param lines: height of the screen
    """

    def __init__(self, command, env, cwd, lines=20, columns=100):
        self.output = b""
        self._screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self._screen)
        self._master, self._slave = pty.openpty()
        self.resize(lines, columns)
        self.before = self.settings()
        self.child = subprocess.Popen(
            command, env={**env, "TERM": _TERM}, cwd=cwd,
            stdin=self._slave, stdout=self._slave, stderr=self._slave,
            start_new_session=True, preexec_fn=self._make_controlling)

    def _make_controlling(self):
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    def settings(self):
        """Return the terminal's modes."""
        return termios.tcgetattr(self._slave)

    def resize(self, lines, columns):
        self._screen.resize(lines, columns)
        fcntl.ioctl(self._master, termios.TIOCSWINSZ,
                    struct.pack("HHHH", lines, columns, 0, 0))

    def type(self, keys):
        os.write(self._master, keys.encode())

    def screen(self):
        """Return the lines of the screen."""
        return [line.rstrip() for line in self._screen.display]

    def wait_for(self, predicate, what, timeout_seconds=30):
        """Read until a predicate is true for the screen's lines."""
        deadline = time.monotonic() + timeout_seconds
        while not predicate(self.screen()):
            if time.monotonic() > deadline:
                raise process.LabError("waited %g s for %s; the screen is\n%s"
                                       % (timeout_seconds, what, "\n".join(
                                           self.screen())))
            self._read()
        return self.screen()

    def wait_for_output(self, text):
        self.wait_for(lambda _: text.encode() in self.output, text)

    def wait_for_end(self):
        """Read all output; return the exit status."""
        self.wait_for(lambda _: self.child.poll() is not None, "its end")
        self._read()
        return self.child.returncode

    def _read(self):
        if select.select([self._master], [], [], 0.1)[0]:
            data = os.read(self._master, 65536)
            self.output += data
            self._stream.feed(data)

    def close(self):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.child.pid, 9)
        self.child.wait()
        os.close(self._master)
        os.close(self._slave)
