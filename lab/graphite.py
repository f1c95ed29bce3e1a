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

"""A real Graphite on loopback: carbon-cache and graphite-web."""

import configparser
import importlib
import json
import os
import pathlib
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

from lab import process

_FILES_COME_SECONDS = 10
DEBIANS_CARBON = ("/usr/bin/carbon-cache",)
_CARBON_SETTINGS = """\
[cache]
ENABLE_UDP_LISTENER = True
MAX_CREATES_PER_MINUTE = inf
MAX_UPDATES_PER_SECOND = inf
WHISPER_FALLOCATE_CREATE = True
CARBON_METRIC_INTERVAL = {metric_interval}
ENABLE_TAGS = {tags}
"""
_CARBON_PLACES = """\
[cache]
STORAGE_DIR = {directory}
LOCAL_DATA_DIR = {directory}/whisper
CONF_DIR = {directory}
LOG_DIR = {directory}
PID_DIR = {directory}
USER =
LINE_RECEIVER_INTERFACE = 127.0.0.1
LINE_RECEIVER_PORT = {line_port}
UDP_RECEIVER_INTERFACE = 127.0.0.1
UDP_RECEIVER_PORT = {udp_port}
PICKLE_RECEIVER_INTERFACE = 127.0.0.1
PICKLE_RECEIVER_PORT = {pickle_port}
CACHE_QUERY_INTERFACE = 127.0.0.1
CACHE_QUERY_PORT = {query_port}
GRAPHITE_URL = http://127.0.0.1:{web_port}
"""
WEB_SETTINGS = """\
SECRET_KEY = "of a lab on loopback"
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
TIME_ZONE = "UTC"
STORAGE_DIR = {storage!r}
CONF_DIR = {storage!r}
WHISPER_DIR = {whisper!r}
LOG_DIR = {storage!r}
INDEX_FILE = {index!r}
CARBONLINK_HOSTS = ["127.0.0.1:{query_port}"]
CARBONLINK_RETRY_DELAY = 0.1
FIND_CACHE_DURATION = 0
FIND_TOLERANCE = 0
TAGDB_CACHE_DURATION = 0
DEFAULT_CACHE_DURATION = 0
# Tags are written while they are read.
DATABASES = {{"default": {{
    "ENGINE": "django.db.backends.sqlite3", "NAME": {database!r},
    "OPTIONS": {{"timeout": 60}}}}}}
"""


def missing_for_png():
    """Return what this machine lacks for graphite-web to draw pictures."""
    missing = []
    try:
        importlib.import_module("cairocffi")
    except OSError:
        missing.append("libcairo2")
    if not any(pathlib.Path("/usr/share/fonts").rglob("DejaVuSans.ttf")):
        missing.append("the font DejaVu Sans")
    return missing


class Carbon(process.Process):
    """carbon-cache, with its configuration and data in `directory`.

    It keeps its ports and its data if it is started again.

    :param retentions: retentions of every series, as in storage-schemas.conf.
    :param tags: register tagged series with the GraphiteWeb of this Carbon.
    :param metric_interval: seconds between points about itself; 0 for none.
    :param settings: text of a carbon.conf, used instead of `tags` and
        `metric_interval`. Its folders and ports are replaced.
    :param command: another carbon-cache, such as DEBIANS_CARBON.
    """

    def __init__(self, directory, retentions="1s:1h", tags=False,
                 metric_interval=0, settings=None, command=None):
        self.directory = process.folder(directory)
        (self.line_port, self.udp_port, self.pickle_port, self.query_port,
         self.web_port) = process.free_ports(5)
        self.whisper = self.directory / "whisper"
        self.whisper.mkdir(exist_ok=True)
        self._write_configuration(retentions, settings or (
            _CARBON_SETTINGS.format(
                tags=tags, metric_interval=metric_interval)))
        command = command or [sys.executable,
                              process.script("carbon-cache.py")]
        super().__init__(
            "carbon-cache",
            [*command, f"--config={self.directory}/carbon.conf",
             "--nodaemon", "start"],
            self.directory / "carbon.log", cwd=self.directory,
            env={"GRAPHITE_ROOT": str(self.directory)})

    def _write_configuration(self, retentions, settings):
        (self.directory / "storage-schemas.conf").write_text(
            f"[all]\npattern = .*\nretentions = {retentions}\n")
        (self.directory / "storage-aggregation.conf").write_text(
            "[all]\npattern = .*\nxFilesFactor = 0\n"
            "aggregationMethod = average\n")
        configuration = configparser.ConfigParser(interpolation=None)
        configuration.optionxform = str  # Carbon's options are upper case.
        configuration.read_string(settings)
        configuration.read_string(_CARBON_PLACES.format(**vars(self)))
        with (self.directory / "carbon.conf").open("w") as file:
            configuration.write(file)

    def start(self):
        """Start it; return when it accepts lines, frames and queries."""
        super().start()
        for port in (self.line_port, self.pickle_port, self.query_port):
            self.wait_until(lambda port=port: process.is_listening(port),
                            30, f"carbon-cache on port {port}")


class GraphiteWeb(process.Process):
    """graphite-web that reads the files and the cache of a Carbon.

    :param directory: folder for its settings, its database and its log.
    """

    def __init__(self, directory, carbon):
        self.directory = process.folder(directory)
        self.url = f"http://127.0.0.1:{carbon.web_port}"
        (self.directory / "graphite_lab_settings.py").write_text(
            WEB_SETTINGS.format(
                storage=str(self.directory), whisper=str(carbon.whisper),
                index=str(self.directory / "index"),
                database=str(self.directory / "graphite.db"),
                query_port=carbon.query_port))
        if "libcairo2" in missing_for_png():
            # graphite-web imports it even if it only answers with JSON.
            (self.directory / "cairocffi.py").touch()
        super().__init__(
            "graphite-web",
            [sys.executable, "-m", "twisted", "--log-format", "text",
             "web", "--listen",
             f"tcp:{carbon.web_port}:interface=127.0.0.1",
             "--wsgi", "graphite.wsgi.application"],
            self.directory / "graphite-web.log", cwd=self.directory,
            env={"DJANGO_SETTINGS_MODULE": "graphite.settings",
                 "GRAPHITE_SETTINGS_MODULE": "graphite_lab_settings",
                 "PYTHONPATH": os.pathsep.join(
                     filter(None, [str(self.directory),
                                   os.environ.get("PYTHONPATH")]))})

    def start(self):
        """Start it, with a new database at first; return when it answers."""
        if not (self.directory / "graphite.db").exists():
            self._make_database()
        super().start()
        self.wait_until(self._answers, 60, self.url)

    def _make_database(self):
        migration = process.Process(
            "graphite-web's migration",
            [sys.executable, "-m", "django", "migrate", "--run-syncdb"],
            self.log_path, self._env, self._cwd)
        with migration:
            if migration.wait(60):
                migration.check()

    def _answers(self):
        try:
            self.find("*")
        except OSError:
            return False
        return True

    def get(self, path, **parameters):
        """Return the body of a response; a list repeats a parameter.

        While Carbon creates a file, graphite-web cannot read it and responds
        with 500. Such a request is repeated for some seconds.

        :raises LabError: on an error status, with the start of the response.
        """
        query = urllib.parse.urlencode(parameters, doseq=True)
        deadline = time.monotonic() + _FILES_COME_SECONDS
        while True:
            try:
                with urllib.request.urlopen(
                        f"{self.url}{path}", query.encode(),
                        timeout=30) as answer:
                    return answer.read()
            except urllib.error.HTTPError as error:
                if error.code != 500 or time.monotonic() > deadline:
                    body = error.read(2000).decode(errors="replace")
                    raise process.LabError(
                        f"graphite-web: {path}: {error}\n{body}") from None
            time.sleep(process.POLL_SECONDS)

    def short_url(self, path, **parameters):
        """Return a short URL from graphite-web for a path and parameters."""
        query = urllib.parse.urlencode(parameters, doseq=True)
        with urllib.request.urlopen(f"{self.url}/s{path}?{query}",
                                    timeout=30) as answer:
            return self.url + answer.read().decode()

    def find(self, query):
        """Return nodes of /metrics/find: dicts with `id`, `leaf` and more."""
        return json.loads(self.get("/metrics/find", query=query))

    def series_paths(self):
        """Return the path of every series, sorted."""
        return sorted(json.loads(self.get("/metrics/index.json")))

    def render_json(self, targets, since="-1h", until="now"):
        """Return the render API's series: [{"target", "datapoints"}, ...].

        :param targets: one target or a list of targets.
        :param since: start of the range, as in Graphite or epoch seconds.
        :param until: its end.
        """
        return json.loads(self.get("/render", **{
            "target": targets, "from": since, "until": until,
            "format": "json", "noCache": "true"}))

    def points(self, target, since="-1h", until="now"):
        """Return {series: {epoch second: value}}, without empty points."""
        return {row["target"]: {second: value for value, second
                                in row["datapoints"] if value is not None}
                for row in self.render_json(target, since, until)}

    def render_png(self, target, **parameters):
        """Return a PNG of a target or a list; see the render API."""
        return self.get("/render", target=target, format="png",
                        noCache="true", **parameters)
