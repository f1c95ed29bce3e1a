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

"""Forks a process that says when it is ready."""

import multiprocessing
import os
import signal
import sys

_START_SECONDS = 60
_FORK = multiprocessing.get_context("fork")


class ChildError(Exception):
    """A child ended, or did not get ready in time."""


def end_with_us():
    """Let SIGTERM of this process end its children as well."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))


def print_to(path):
    """Append to a file what this process prints from now on."""
    output = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)


def start(target, *arguments):
    """Run a function in a child, which ends with this process at the latest.

    :param target: gets a function to call when it is ready, and the others
    :returns: the child, once it is ready
    :raises ChildError: when it was not, in time
    """
    ready, told = _FORK.Pipe(duplex=False)
    child = _FORK.Process(target=target, daemon=True,
                          args=(lambda: told.send(True), *arguments))
    child.start()
    told.close()
    try:
        if ready.poll(_START_SECONDS):
            ready.recv()
            return child
    except EOFError:
        pass
    child.kill()
    child.join()
    raise ChildError("%s did not get ready" % target.__qualname__)


def shared_doubles(count):
    """An array of zeros that this process and its children share."""
    return _FORK.RawArray("d", count)
