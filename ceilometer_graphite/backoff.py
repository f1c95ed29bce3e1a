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

"""Capped exponential delays with jitter."""

import random


class Backoff:
    """How long to wait before the next attempt.

    The n-th delay in a row is drawn uniformly from the upper half of
    ``min(maximum, initial * 2 ** n)`` seconds, so that many nodes whose
    Graphite went away at one moment do not come back at one moment.
    """

    def __init__(self, initial_seconds, maximum_seconds,
                 uniform=random.uniform):
        self._initial = initial_seconds
        self._maximum = maximum_seconds
        self._uniform = uniform
        self._ceiling = initial_seconds

    def next_delay(self):
        """The next delay in seconds; the one after it may be longer."""
        ceiling = min(self._ceiling, self._maximum)
        self._ceiling = min(self._ceiling * 2, self._maximum)
        return self._uniform(ceiling / 2, ceiling)

    def reset(self):
        """Begin again with the shortest delay."""
        self._ceiling = self._initial
