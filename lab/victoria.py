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


"""VictoriaMetrics from Debian, as a process on loopback."""

import json
import urllib.parse
import urllib.request

from lab import command
from lab import documented
from lab import process

COMMAND = "victoria-metrics"
CONFIGURATION = "victoria-metrics.default"


class VictoriaMetrics(process.Process):
    """A single node, with the arguments from the documentation.

    :param directory: folder for its data and its log.
    :ivar line_port: port for lines, TCP and UDP.
    :ivar data: the folder of its data.
    """

    def __init__(self, directory):
        directory = process.folder(directory)
        self.line_port, self._port = process.free_ports(2)
        self.data = directory / "data"
        super().__init__(
            COMMAND,
            [COMMAND, *documented.arguments(CONFIGURATION, {
                "/var/lib/victoria-metrics": self.data,
                ":8428": f"127.0.0.1:{self._port}",
                ":2003": f"127.0.0.1:{self.line_port}"})],
            directory / "victoria-metrics.log")

    def start(self):
        """Start it; return when it accepts lines and queries."""
        super().start()
        for port in (self.line_port, self._port):
            self.wait_until(lambda port=port: process.is_listening(port), 30,
                            f"{COMMAND} on port {port}")

    def get(self, path, **parameters):
        """Return the body of a response, as bytes."""
        url = "http://127.0.0.1:%d%s?%s" % (
            self._port, path, urllib.parse.urlencode(parameters))
        with urllib.request.urlopen(url, timeout=60) as answer:
            return answer.read()

    def version(self):
        """Return the version of the package; the server does not know it."""
        return command.run("dpkg-query", "--show",
                           "--showformat=${Version}", COMMAND)

    def series(self, pattern):
        """Return all points that can be read now.

        :param pattern: a regular expression for names.
        :returns: {NAME;TAG=VALUE;...: {epoch second: [values]}}, with sorted
            tags, as Graphite names a series.
        """
        self.get("/internal/force_flush")
        found = {}
        for line in self.get("/api/v1/export", **{
                "match[]": "{__name__=~%s}" % json.dumps(pattern),
                }).splitlines():
            # There is a line for each block of a series.
            block = json.loads(line)
            points = found.setdefault(_name(**block["metric"]), {})
            for stamp, value in zip(block["timestamps"], block["values"],
                                    strict=True):
                points.setdefault(stamp // 1000, []).append(value)
        return found


def _name(__name__, **tags):
    return ";".join([__name__, *(f"{tag}={value}" for tag, value
                                 in sorted(tags.items()))])
