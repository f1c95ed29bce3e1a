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

"""What an agent writes while it runs: its cycles, by its log."""

import re

from lab import agent

INTERVAL_SECONDS = 2
POLLING = agent.POLLING.format(interval_seconds=INTERVAL_SECONDS)
_POLLSTERS = POLLING.count("\n      - ")
_BEGUN = b" Polling pollster "
_FINISHED = b" Finished polling pollster "
_TROUBLE = re.compile(r".* (?:WARNING|ERROR) .*")


class Tail:
    """Reads what is appended to a file.

    :param path: of the file, which need not be there yet
    """

    def __init__(self, path):
        self._path = path
        self._offset = 0

    def lines(self):
        """The whole lines since the last call, as bytes."""
        if not self._path.exists():
            return []
        with self._path.open("rb") as file:
            file.seek(self._offset)
            data = file.read()
        end = data.rfind(b"\n") + 1
        self._offset += end
        return data[:end].splitlines()


class Cycles:
    """Counts the cycles of an agent that polls :data:`POLLING`.

    :param path: of its log
    """

    def __init__(self, path):
        self._tail = Tail(path)
        self._begun = self._finished = 0

    @property
    def finished(self):
        """How many cycles have ended."""
        self._look()
        return self._finished // _POLLSTERS

    @property
    def is_between(self):
        """Whether there is no cycle now."""
        self._look()
        return (self._begun == self._finished
                and self._finished % _POLLSTERS == 0)

    def _look(self):
        for line in self._tail.lines():
            self._begun += _BEGUN in line
            self._finished += _FINISHED in line


def trouble(path):
    """What a log warns of, as a text."""
    return "\n".join(_TROUBLE.findall(path.read_text(errors="replace")))
