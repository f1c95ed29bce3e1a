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


"""Runs all commands in the documentation.

They run on a copy of this machine that has Ceilometer's agent, in the order
of the journeys below. Files in a section are written with the address of the
lab's Graphite instead of the example's.
"""

import os
import pathlib
import sys

import fixtures

from lab import agent
from lab import graphite
from lab import machine
from lab import nova
from lab import process
from tests import host
from tests.functional import base
from tests.functional import pages

CONFIGURE = (
    ("install.rst", "3. Let the agent run the pipeline"),
    ("install.rst", "4. Say where the samples go"),
    ("install.rst", "5. Check it"),
    ("install.rst", "6. Restart the agent"),
    ("install.rst", "7. Look"),
)
FROM_PIP = (
    ("README.rst", "On a compute node"),
    ("install.rst", "From pip"),
    *CONFIGURE,
    ("commands.rst", "check"),
    ("commands.rst", "Completion"),
    ("preview.rst", "What would be sent: preview"),
    ("preview.rst", "Recordings"),
    ("preview.rst", "How a path is made"),
    ("top.rst", "At login, and in scripts"),
    ("dashboards.rst", "Grafana"),
    ("dashboards.rst", "graphite-web"),
    ("operating.rst", "An instance is deleted"),
    ("operating.rst", "Upgrade"),
    ("operating.rst", "Removal"),
)
FROM_DEBIAN = (
    ("install.rst", "Beside the distribution's packages"),
    *CONFIGURE,
)
RELEASE = (
    ("contributor/releasing.rst", "Prepare"),
    ("contributor/releasing.rst", "Build"),
)
# Commands that CI runs: the file, and how each line reads there.
BY_CI = {
    ("README.rst", "Two commands"): (".ci/run", "{}"),
    ("contributor/contributing.rst", "Set up"): (".ci/run", "{}"),
    ("performance.rst", "Performance"): ("tox.ini", "{} --short"),
}
NODE = """\
[DEFAULT]
host = compute-1.example.org
[compute]
instance_discovery_method = libvirt_metadata
[service_credentials]
auth_type = none
endpoint = {nova}
"""
UV = process.script("uv")
WHISPER = "/var/lib/graphite/whisper/ceilometer"
# What a section requires.
_CHECKOUT = f"""\
git clone --quiet {pages.ROOT} "$FOLDER"
cd "$FOLDER"
git config user.name "A maintainer"
git config user.email maintainer@example.org
"""
GIVEN = {
    "Prepare": _CHECKOUT,
    "Build": _CHECKOUT,
    "Recordings": f"""\
cp /etc/ceilometer/*.{{conf,yaml}} "$FOLDER"
cp {pages.ROOT}/tests/fixtures/polling-19.0.0.jsonl "$FOLDER/samples.jsonl"
""",
    "An instance is deleted": f"""\
mkdir -p {WHISPER}/old {WHISPER}/new
touch --date '31 days ago' {WHISPER}/old/cpu_util.wsp
touch {WHISPER}/new/cpu_util.wsp
""",
}


class PagesTest(base.base.BaseTestCase):

    def test_each_block_is_run_by_a_test(self):
        run = {*FROM_PIP, *FROM_DEBIAN, *RELEASE, *BY_CI}
        self.assertEqual([], [
            block for name in pages.names() for block in pages.scripts(name)
            if (block.page, block.section) not in run])

    def test_ci_runs_what_the_documentation_says(self):
        for (page, section), (file, form) in BY_CI.items():
            text = (pages.ROOT / file).read_text()
            lines = [line for block in pages.scripts(page)
                     if block.section == section
                     for line in block.script().splitlines()]
            self.assertTrue(lines)
            for line in lines:
                self.assertIn(form.format(line).replace(
                    "python -m", "python -W ignore -m"), text)


class MachineTestCase(base.base.BaseTestCase):
    """Has a copy of this machine."""

    def setUp(self):
        super().setUp()
        if os.geteuid():
            host.lacks("a copy of this machine takes root")
        self.machine = machine.Machine(
            self.useFixture(fixtures.TempDir()).path, shown=[pages.ROOT])
        self.machine.start()
        self.addCleanup(self.machine.terminate)
        self.env = {"LANG": "C.UTF-8"}
        # Commands since the last change of a file. Some pages have the same
        # commands.
        self.typed = set()

    def fit(self, text):
        """Adapt a page's text to this machine."""
        return text

    def go(self, journey):
        """Run the commands of sections, each in an empty folder."""
        for number, (page, section) in enumerate(journey):
            folder = f"/srv/{number}"
            self.machine.run(f"FOLDER={folder}\nmkdir $FOLDER\n"
                             + GIVEN.get(section, ""))
            for block in pages.blocks(page):
                if block.section == section:
                    self.follow(block, folder)
            self.after(section)

    def follow(self, block, folder):
        if block.language not in pages.SHELLS:
            if block.file:
                self.machine.write(block.file, self.fit(block.text))
                self.typed.clear()
        elif block.script() not in self.typed:
            self.machine.run(self.fit(block.script()), self.env, folder)
            self.typed.add(block.script())

    def after(self, section):
        """Do what a section describes without commands."""


class ReleasingTest(MachineTestCase):

    def test_both_distributions_are_built_without_the_network(self):
        self.machine.run(
            f"{UV} venv --quiet /opt/tools\n"
            f"{UV} pip install --quiet --python /opt/tools/bin/python "
            "build pbr reno setuptools")
        self.env["PATH"] = "/opt/tools/bin:" + os.environ["PATH"]
        self.env |= {"PIP_NO_INDEX": "1", "PBR_VERSION": ""}
        self.go(RELEASE)
        self.assertEqual(
            ["ceilometer_graphite-1.0.0-py3-none-any.whl",
             "ceilometer_graphite-1.0.0.tar.gz"],
            self.machine.run(
                "ls ceilometer-graphite-1.0.0/dist").split())


class NodeTestCase(MachineTestCase, base.GraphiteTestCase):
    """Has a copy of this machine as a compute node, and a Graphite."""

    def setUp(self):
        super().setUp()
        simulator = pathlib.Path("/opt/simulator/libvirt.py")
        self.machine.write(
            simulator, (agent.SIMULATOR / simulator.name).read_text())
        self.env |= {**agent.simulator_env(3, events=0),
                     "PYTHONPATH": str(simulator.parent)}
        self.machine.write(
            "/etc/ceilometer/ceilometer.conf.d/node.conf",
            NODE.format(nova=self.start(nova.Nova()).endpoint))
        self.build()

    def start_graphite(self):
        # The pages poll each minute, so series have a point per minute.
        self.carbon = self.start(graphite.Carbon(
            self.directory / "carbon", retentions="60s:1d"))
        self.web = self.start(
            graphite.GraphiteWeb(self.directory / "web", self.carbon))

    def build(self):
        """Build the plugin of this checkout where pip finds it."""
        excluded = " ".join("--exclude=./" + name for name in (
            ".demo", ".hypothesis", ".stestr", ".tox", "build", "dist"))
        self.machine.run(
            f"mkdir /opt/source; cd {pages.ROOT}\n"
            f"tar -c {excluded} . | tar -x -C /opt/source\n"
            f"PBR_VERSION=0.1.0 {UV} build --quiet --wheel "
            "--out-dir /opt/dist /opt/source")
        self.env["PIP_FIND_LINKS"] = " ".join(filter(None, (
            "/opt/dist", os.environ.get("PIP_FIND_LINKS"))))

    def fit(self, text):
        return text.replace(
            "graphite.example.com:2003", f"127.0.0.1:{self.carbon.line_port}"
        ).replace("http://graphite.example.com", self.web.url)

    def after(self, section):
        if section == "6. Restart the agent":
            self.start_agent()

    def start_agent(self):
        """Start the agent like systemd; wait for its first poll."""
        polling = self.start(process.Process(
            "ceilometer-polling", self.machine.inside(
                "ceilometer-polling", "--polling-namespaces", "compute"),
            self.directory / "polling.log", {**os.environ, **self.env}))
        polling.wait_for_log("Connected to Graphite at", 60)
        polling.wait_until(lambda: len(self.web.points(
            "ceilometer.compute-1.*.*.memory")) == 3, 60, "three machines")
        self.assert_no_errors(polling)
        polling.terminate()


class FromPipTest(NodeTestCase):

    def setUp(self):
        super().setUp()
        self.env["PATH"] = "/opt/agent/bin:" + os.environ["PATH"]
        # Perhaps only its owner can access the interpreter.
        python = pathlib.Path(sys.executable).resolve()
        self.machine.run(
            "".join(f"chmod a+x {folder}\n" for folder in python.parents)
            + f"useradd --system ceilometer\n{python} -m venv /opt/agent\n"
            f"{UV} pip install --quiet --compile-bytecode "
            "--python /opt/agent/bin/python ceilometer", self.env)

    def test_the_commands_on_the_pages_work(self):
        self.go(FROM_PIP)
        self.assertEqual("new", self.machine.run(f"ls {WHISPER}").strip())
        self.assertIn("-F _shtab_ceilometer_graphite", self.machine.run(
            "cat /etc/bash_completion.d/ceilometer-graphite"))
        self.assertEqual("", self.machine.run(
            "pip list 2>/dev/null | grep graphite || true", self.env))


class FromDebianTest(NodeTestCase):

    def setUp(self):
        super().setUp()
        self.env["PATH"] = ("/usr/local/sbin:/usr/local/bin:/usr/sbin:"
                            "/usr/bin:/sbin:/bin")
        self.env["DEBIAN_FRONTEND"] = "noninteractive"
        self.machine.run(
            "echo 'exit 101' > /usr/sbin/policy-rc.d\n"
            "chmod +x /usr/sbin/policy-rc.d\n"
            "apt-get update --quiet\n"
            "apt-get install --yes ceilometer-agent-compute", self.env)

    def test_the_commands_on_the_pages_work(self):
        self.go(FROM_DEBIAN)
