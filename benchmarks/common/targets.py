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

"""Figures that the project has set itself."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Target:
    """One figure as it was measured, and what it has to be.

    :ivar limit: what it may be at most, or has to be at least
    """

    what: str
    figure: float
    limit: float
    is_least: bool = False

    def __str__(self):
        met = (self.figure >= self.limit if self.is_least
               else self.figure <= self.limit)
        return "%s: %s: %.3g (at %s %g)" % (
            "met" if met else "missed", self.what, self.figure,
            "least" if self.is_least else "most", self.limit)
