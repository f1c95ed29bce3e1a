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


"""Which datapoints of a fleet are in the files of its caches."""

import collections
import math
import os

import whisper


class Account:
    """What was published, against what the caches have.

    A cache has a hole where it has the series and not the datapoint.

    :param directories: of whisper files, of each cache
    :ivar published: how many lines were
    :ivar bytes: how many these have
    :ivar copies: datapoints by how many caches have them
    :ivar wrong: values that were not what was published
    :ivar homes: series by how many caches have them
    :ivar series: of each cache, by its number
    :ivar points: of each cache, by its number
    :ivar holes: of each cache, by its number: when each was published, in
        seconds since 1970
    """

    def __init__(self, directories):
        self._directories = directories
        self.published = self.bytes = 0
        self.wrong = 0
        self.copies = collections.Counter()
        self.homes = collections.Counter()
        self.series = collections.Counter()
        self.points = collections.Counter()
        self.holes = collections.defaultdict(list)

    def add(self, path: str, points: list) -> None:
        """Look for one series.

        :param path: in Graphite
        :param points: of :meth:`~benchmarks.fleet.nodes.Nodes.points`
        """
        self.published += len(points)
        self.bytes += sum(len("%s %d %d\n" % (path, value, at))
                          for value, (at, _) in enumerate(points))
        read = {}
        for cache, directory in enumerate(self._directories):
            file = os.path.join(directory, *path.split(".")) + ".wsp"
            if os.path.exists(file):
                read[cache] = _values(file, [at for at, _ in points])
        self.homes[len(read)] += 1
        self.series.update(read.keys())
        for number, (_, due) in enumerate(points):
            self._add_point(number, due, {
                cache: values[number] for cache, values in read.items()})

    def _add_point(self, number, due, values):
        having = [cache for cache, value in values.items()
                  if value is not None]
        self.wrong += sum(values[cache] != number for cache in having)
        self.points.update(having)
        self.copies[len(having)] += 1
        for cache in values:
            if cache not in having:
                self.holes[cache].append(due)


def _values(file, times):
    """Return the values at some times, in a file of one archive."""
    step = whisper.info(file)["archives"][0]["secondsPerPoint"]
    (begin, _, _), values = whisper.fetch(
        file, math.floor(times[0]) - step, math.floor(times[-1]))
    # fetch() begins with the point after the time that it is given.
    return [values[(math.floor(due) // step * step - begin) // step]
            for due in times]
