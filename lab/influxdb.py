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


"""InfluxDB 1 from Debian, as a process on loopback."""

import json
import urllib.parse
import urllib.request

from lab import documented
from lab import process

COMMAND = "influxd"
CONFIGURATION = "influxdb.conf"
DATABASE = "ceilometer"
# The template of paths that its templates can parse.
OUR_TEMPLATE = documented.text("influxdb-ceilometer.conf").partition(
    "template = ")[2].strip()


class InfluxDB(process.Process):
    """A server with the configuration from the documentation.

    :param directory: folder for its configuration, its data and its log.
    :ivar line_port: port for lines, TCP and UDP.
    """

    def __init__(self, directory):
        directory = process.folder(directory)
        self.line_port, self._port, backup_port = process.free_ports(3)
        path = directory / CONFIGURATION
        path.write_text(
            f'bind-address = "127.0.0.1:{backup_port}"\n'
            + documented.text(CONFIGURATION, {
                "/var/lib/influxdb": directory,
                ":8086": f"127.0.0.1:{self._port}",
                ":2003": f"127.0.0.1:{self.line_port}"}))
        super().__init__(COMMAND, [COMMAND, "run", "-config", str(path)],
                         directory / "influxdb.log", cwd=directory)

    def start(self):
        """Start it; return when it accepts lines and queries."""
        offset = len(self.log_text())
        super().start()
        self.wait_for_log("Listening for signals", start=offset)

    def _get(self, path, **parameters):
        return urllib.request.urlopen("http://127.0.0.1:%d%s?%s" % (
            self._port, path, urllib.parse.urlencode(parameters)), timeout=60)

    def version(self):
        """Return its version, such as 1.6.7."""
        with self._get("/ping") as answer:
            return answer.headers["X-Influxdb-Version"]

    def query(self, text):
        """Return the series of an InfluxQL query, with times in seconds."""
        with self._get("/query", db=DATABASE, q=text, epoch="s") as answer:
            result, = json.load(answer)["results"]
        error = result.get("error", "")
        # The first points create the database.
        if error and not error.startswith("database not found"):
            raise process.LabError(f"{COMMAND}: {text}: {error}")
        return result.get("series", [])

    def series(self):
        """Return all points that can be read now.

        :returns: a list of (measurement, tags, {epoch second: [values]}).
        """
        return [(row["name"], row["tags"], _points(row))
                for row in self.query("SELECT * FROM /.*/ GROUP BY *")]


def _points(row):
    points = {}
    for second, value in row["values"]:
        points.setdefault(second, []).append(value)
    return points
