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


"""graphite-web with its dashboards, and a browser that shows them."""

import json
import pathlib
import shutil
import subprocess
import sys

from lab import graphite
from lab import process

# pip installs the files of the pages there.
SETTINGS = """
import sys
WEBAPP_DIR = sys.prefix + "/webapp"
"""
WSGI = """\
from django.contrib.staticfiles import handlers
from graphite import wsgi
application = handlers.StaticFilesHandler(wsgi.application)
"""
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


class DashboardWeb(graphite.GraphiteWeb):
    """A GraphiteWeb that also shows dashboards."""

    def __init__(self, directory, carbon):
        super().__init__(directory, carbon)
        with (self.directory / "graphite_lab_settings.py").open("a") as file:
            file.write(SETTINGS)
        (self.directory / "dashboard.conf").write_text("[ui]\ntheme=white\n")
        (self.directory / "graphite_lab_wsgi.py").write_text(WSGI)
        self.command[-1] = "graphite_lab_wsgi.application"

    def save_dashboard(self, state):
        """Save a dashboard, or a template, which contains __VALUE__.

        :param state: a text that `ceilometer-graphite dashboards` writes.
        :returns: its address. That of a template ends before the value.
        """
        name = json.loads(state)["name"]
        is_template = "__VALUE__" in state
        path = (f"save_template/{name}/__VALUE__" if is_template
                else f"save/{name}")
        answer = json.loads(self.get(f"/dashboard/{path}", state=state))
        if "error" in answer:
            raise process.LabError(f"{name}: {answer['error']}")
        return f"{self.url}/dashboard#{name}" + "/" * is_template

    def save_dashboards(self, conf, minutes, **values):
        """Save all dashboards of `ceilometer-graphite dashboards`.

        :param conf: path of the agent's configuration file.
        :param minutes: time range that they show at first.
        :param values: {name: value} for the templates.
        :returns: their addresses.
        """
        folder = self.directory / "dashboards"
        subprocess.run(
            [sys.executable, "-m", "ceilometer_graphite",
             "dashboards", "--format", "graphite", "--output", folder,
             "--minutes", str(minutes), "--config-file", conf],
            check=True, stdout=subprocess.DEVNULL)
        return [self.save_dashboard(path.read_text())
                + values.get(path.stem, "")
                for path in sorted(folder.iterdir())]

    def load_dashboard(self, address):
        """Return the state that a page loads from an address."""
        name = address.partition("#")[2]
        kind = "load_template" if "/" in name else "load"
        return json.loads(self.get(f"/dashboard/{kind}/{name}"))["state"]


def browser():
    """Return the path of Chromium, or None if it is not installed."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def look(url, directory, png, size=(1400, 1000), wait_ms=20000):
    """Save a screenshot of a page as a PNG.

    :param directory: folder for the browser's own files.
    :param wait_ms: milliseconds of the page's virtual time to wait.
    """
    subprocess.run(
        [browser(), "--headless=new", "--no-sandbox", "--disable-gpu",
         "--disable-dev-shm-usage", "--hide-scrollbars", "--no-first-run",
         f"--user-data-dir={pathlib.Path(directory) / 'browser'}",
         f"--window-size={size[0]},{size[1]}",
         f"--virtual-time-budget={wait_ms}", f"--screenshot={png}", url],
        check=True, capture_output=True, timeout=120)
