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

"""Forked processes that report when they are ready."""

import multiprocessing
import os
import signal
import sys
import typing

_START_SECONDS = 60
_FORK = multiprocessing.get_context("fork")


class ChildError(Exception):
    """A child ended, or was not ready in time."""


class Child:
    """A forked process that ends when this one ends.

    A subclass implements ``_run``. A child can be started again.

    :ivar log_path: file for the output of the process; None does not redirect
        it
    """

    log_path: str | None = None
    _process = None

    @property
    def pid(self) -> int:
        return self._process.pid

    def start(self, *arguments: typing.Any) -> None:
        """Run ``_run(ready, *arguments)``; return when it calls ``ready()``.

        :raises ChildError: if it does not call it in time
        """
        receiver, sender = _FORK.Pipe(duplex=False)
        self._process = _FORK.Process(
            target=self._begin, args=(sender, *arguments), daemon=True)
        self._process.start()
        sender.close()
        try:
            if receiver.poll(_START_SECONDS):
                receiver.recv()
                return
        except EOFError:
            pass
        self.kill()
        raise ChildError("%s was not ready in time" % type(self).__qualname__)

    def kill(self) -> None:
        """Kill the process, if there is one."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *exc_info):
        self.kill()

    def _begin(self, sender, *arguments):
        if self.log_path:
            print_to(self.log_path)
        self._run(lambda: sender.send(True), *arguments)

    def _run(self, ready, *arguments):
        raise NotImplementedError


def end_with_us() -> None:
    """Make SIGTERM of this process end its children too."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))


def print_to(path: str) -> None:
    """Append all further output of this process to a file."""
    output = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)


def shared_doubles(count: int) -> typing.Any:
    """Return an array of zeros, shared with the children of this process."""
    return _FORK.RawArray("d", count)


def shared_bytes(count: int) -> typing.Any:
    """Return an array of zero bytes, shared with the children."""
    return _FORK.RawArray("B", count)
