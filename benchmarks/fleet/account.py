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

"""Compares published datapoints with the files of the caches."""

import collections
import math
import os

import whisper


class Account:
    """Counts published lines, and the datapoints that the caches have.

    A hole is a datapoint that a cache lacks although it has the series.

    :param directories: the folder of whisper files of each cache
    :ivar published: number of published lines
    :ivar bytes: their size
    :ivar copies: {number of caches: datapoints that so many caches have}
    :ivar wrong: values that differ from the published ones
    :ivar homes: {number of caches: series that so many caches have}
    :ivar series: {index of a cache: its series}
    :ivar points: {index of a cache: its datapoints}
    :ivar holes: {index of a cache: epoch seconds of the publication of each
        hole}
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
        """Look up the datapoints of one series.

        :param path: in Graphite
        :param points: as :meth:`~benchmarks.fleet.nodes.Nodes.points`
            returns them
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
    """Return the values at some times in a file with one archive."""
    step = whisper.info(file)["archives"][0]["secondsPerPoint"]
    (begin, _, _), values = whisper.fetch(
        file, math.floor(times[0]) - step, math.floor(times[-1]))
    # fetch() excludes the point at its start time.
    return [values[(math.floor(due) // step * step - begin) // step]
            for due in times]
