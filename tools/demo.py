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

"""Shows a hypervisor's instances in Graphite within a minute.

It runs a real carbon-cache, graphite-web and ceilometer-polling on loopback,
in one folder. The agent polls a simulated hypervisor, or with --libvirt the
real one of this machine. tools/demo.sh installs the packages and runs this.
"""

import contextlib
import fcntl
import importlib.util
import json
import pathlib
import re
import shutil
import signal
import sys
import time

from ceilometer_graphite import sanitize
from lab import agent
from lab import dashboards
from lab import graphite
from lab import process
from lab import report
from tools import demo_arguments

ROOT = pathlib.Path(__file__).absolute().parent.parent
HOST = "compute-1"
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# The second sink writes the names of the instances to a file.
PIPELINE = """\
sources:
  - {{name: compute, meters: ["*"], sinks: [graphite]}}
  - {{name: names, meters: [cpu], sinks: [names]}}
sinks:
  - {{name: graphite, publishers: ["graphite://127.0.0.1:{port}"]}}
  - {{name: names, publishers: [
      "file://{names}?json&max_bytes=100000000&backup_count=1"]}}
"""
NO_LIBVIRT = """\
--libvirt needs libvirt's Python module. On Debian, as root:
    apt install libvirt-dev pkg-config gcc python3-dev
    {prefix}/bin/pip install libvirt-python"""


def say(text):
    print(text, flush=True)


class Demo:
    """One run. `stack` ends what it starts."""

    def __init__(self, arguments, stack):
        self.arguments = arguments
        self.data = arguments.dir / "run"
        self.stack = stack

    def start(self):
        shutil.rmtree(self.data, ignore_errors=True)
        self.data.mkdir()
        say("Starting carbon-cache ...")
        self.carbon = self.stack.enter_context(graphite.Carbon(
            self.data / "carbon",
            retentions=f"{self.arguments.interval}s:1d"))
        say("Starting the compute agent, ceilometer-polling ...")
        self.started = int(time.time())
        self.agent = self.stack.enter_context(self._agent())
        say("Starting graphite-web ...")
        self.web = self.stack.enter_context(dashboards.DashboardWeb(
            self.data / "graphite-web", self.carbon))

    def _agent(self):
        arguments, env = self.arguments, None
        spool_dir = self.data / "spool"
        spool_dir.mkdir()
        options = {
            "DEFAULT": {"host": f"{HOST}.example.org"},
            "graphite": {
                "spool_dir": spool_dir,
                "self_metrics_interval": arguments.interval}}
        if arguments.libvirt:
            options["DEFAULT"]["libvirt_uri"] = arguments.libvirt
        else:
            env = agent.simulator_env(arguments.instances,
                                      start=self.started,
                                      day=arguments.seconds)
        pipeline = PIPELINE.format(port=self.carbon.line_port,
                                   names=self.data / "names.json")
        polling = re.sub(r"interval: \d+", f"interval: {arguments.interval}",
                         (ROOT / "etc" / "polling.yaml").read_text())
        return agent.Agent(self.data / "agent", pipeline, polling, options,
                           env)

    def watch(self):
        """Return after --seconds; report every 5 seconds."""
        seconds = self.arguments.seconds
        next_five = (int(time.time() - self.started) // 5 + 1) * 5
        for second in [*range(next_five, seconds, 5), seconds]:
            self.agent.wait_until(
                lambda end=self.started + second: time.time() >= end,
                60, "the next second")
            devices = self.report().series("cpu_util").values()
            points = sum(sum(map(len, device)) for device in devices)
            say(f"  {second:3} of {seconds} s: CPU usage of {len(devices)} "
                f"instances, {points} points")

    def report(self):
        """Return a Report on the instances that the agent has polled."""
        path = self.data / "names.json"
        lines = path.read_text().splitlines(True) if path.exists() else []
        names = {}
        for line in lines:
            if line.endswith("\n"):
                sample = json.loads(line)
                name = sample["resource_metadata"]["display_name"]
                names[sanitize.instance(name, sample["resource_id"])] = name
                self.project = sample["project_id"]
        names = dict(sorted(names.items(), key=lambda item: item[1]))
        return report.Report(self.web, HOST, names, self.started,
                             self.arguments.interval)

    def missing(self):
        """Return texts of what is missing in Graphite."""
        if not self.report().names:
            return ["all: the agent has found no instance"]
        # Real guests may have no disk, or not report their memory.
        columns = report.COLUMNS
        return self.report().missing(
            columns[:1] if self.arguments.libvirt else columns)

    def draw(self):
        """Write the PNG, or print what it needs."""
        lacking = graphite.missing_for_png()
        if lacking:
            say(f"There is no picture, because {' and '.join(lacking)} is "
                "missing. On Debian: "
                "apt install libcairo2 fonts-dejavu-core")
            return
        picture = self.report().picture()
        self.arguments.png.write_bytes(self.web.render_png(**picture))
        say(f"Picture: {self.arguments.png}")
        if self.arguments.keep:
            picture["from"] = f"-{3 * self.arguments.seconds}s"
            say(f"The same, live: {self.web.short_url('/render', **picture)}")

    def load_dashboards(self):
        """Save the dashboards in graphite-web; return their addresses."""
        return self.web.save_dashboards(
            self.agent.directory / "ceilometer.conf",
            self.arguments.seconds // 60 + 2, hypervisor=HOST,
            instance=next(iter(self.report().names)), project=self.project)

    def complaints(self):
        """Return the last errors and warnings of the agent."""
        lines = re.findall(r"^.* (?:ERROR|WARNING) (?!stevedore).*$",
                           self.agent.log_text(), re.M)
        return [f"The agent's log, {self.agent.log_path}:", *lines[-5:]]


def run(demo):
    """Return the exit status."""
    demo.start()
    demo.watch()
    with contextlib.suppress(process.LabError):
        process.wait_for(lambda: not demo.missing(), 15, "the last series")
    missing = demo.missing()
    if missing:
        say("\n  ".join(["These series are not in Graphite:", *missing]))
        say("\n  ".join(demo.complaints()))
        return 1
    say(f"\nThe latest values, from Graphite:\n\n{demo.report().table()}\n")
    demo.draw()
    addresses = demo.load_dashboards()
    if demo.arguments.keep:
        say("\n  ".join(["Dashboards:", *addresses]))
        say(f"Graphite is at {demo.web.url} until Ctrl-C.")
        demo.agent.wait_until(lambda: False, float("inf"), "Ctrl-C")
    else:
        say(f"Saved {len(addresses)} dashboards. Everything has ended now. "
            "With --keep it stays up until Ctrl-C.")
    return 0


def end(number, _frame):
    """End the run at the first signal; ignore others during the clean-up."""
    for one in SIGNALS:
        signal.signal(one, signal.SIG_IGN)
    sys.exit(128 + number)


def main():
    """Return the exit status, or an error message."""
    arguments = demo_arguments.parse()
    if arguments.libvirt and not importlib.util.find_spec("libvirt"):
        return NO_LIBVIRT.format(prefix=sys.prefix)
    arguments.dir.mkdir(parents=True, exist_ok=True)
    for number in SIGNALS:
        signal.signal(number, end)
    with (arguments.dir / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return f"Another demo is running in {arguments.dir}."
        with contextlib.ExitStack() as stack:
            try:
                return run(Demo(arguments, stack))
            except process.LabError as error:
                return str(error)


if __name__ == "__main__":
    sys.exit(main())
