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

"""What tests of the command check share."""

import argparse
import importlib.util
import os
import pathlib
import pwd
import socket
import stat
import sys
import threading
import traceback

from ceilometer.compute.virt.libvirt import utils
import fixtures

from ceilometer_graphite.cli.check import agent as check_agent
from ceilometer_graphite.cli.check import command
from ceilometer_graphite.cli.check import results as check_results
from lab import agent
from tests import fakes
from tests import releases
from tests.unit import base
from tests.unit.cli import commands

POLLING = agent.POLLING.format(interval_seconds=60)
if not releases.HAS_MEMORY:
    POLLING = POLLING.replace("      - memory\n", "")
# A user who owns nothing.
NOBODY = "nobody"


def simulated_libvirt():
    """The simulated hypervisor, as a module of its own."""
    spec = importlib.util.spec_from_file_location(
        "simulated_libvirt", agent.SIMULATOR / "libvirt.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class CheckTestCase(commands.CommandTestCase):
    """Has the files of an agent in which nothing is wrong, and a receiver."""

    def setUp(self):
        super().setUp()
        # Of the user of the tests alone; what is above is for all.
        for folder in (self.directory, self.directory.parent):
            if not folder.stat().st_mode & stat.S_IXOTH:
                folder.chmod(0o755)
        self.receiver = fakes.Receiver()
        self.addCleanup(self.receiver.close)
        self.url = "graphite://127.0.0.1:%d" % self.receiver.endpoint[1]
        self.write("polling.yaml", POLLING)
        self.write_pipeline(self.url)
        self.write_conf({})
        self.use_libvirt(simulated_libvirt())
        self.useFixture(fixtures.EnvironmentVariable(
            "PATH", os.pathsep.join([
                os.path.dirname(sys.executable), os.environ["PATH"]])))
        self.arguments = argparse.Namespace(
            config_file=[str(self.directory / "ceilometer.conf")],
            config_dir=[], debug=False, user=None, send=False,
            render_url=None, timeout=10.0)

    def use_libvirt(self, module):
        """Have Ceilometer's module for libvirt use this one."""
        self.useFixture(fixtures.MonkeyPatch(
            utils.__name__ + ".libvirt", module))

    def write_pipeline(self, *publishers):
        """A pipeline.yaml with one sink."""
        self.write("pipeline.yaml", """\
sources:
  - {name: compute, meters: ["*"], sinks: [graphite]}
sinks:
  - {name: graphite, publishers: %s}
""" % list(publishers))

    def write_conf(self, changes):
        """A ceilometer.conf, with {section: {option: value}} over it.

        :param changes: a value of None leaves an option out
        """
        sections = {
            "DEFAULT": {"host": "compute-1.example.org",
                        "pipeline_cfg_file": "pipeline.yaml"},
            "compute": {"instance_discovery_method": "libvirt_metadata"},
            "publisher": {"telemetry_secret": ""},
            "publisher_notifier": {
                "telemetry_driver": "ceilometer_pipeline"}}
        for section, options in changes.items():
            sections[section] = {**sections.get(section, {}), **options}
        self.write("ceilometer.conf", "".join(
            "[%s]\n%s" % (section, "".join(
                "%s = %s\n" % item for item in options.items()
                if item[1] is not None))
            for section, options in sections.items()))

    def write_options(self, **options):
        """A ceilometer.conf with these options of [graphite]."""
        self.write_conf({"graphite": options})

    def find(self, *names):
        """The findings of the checks of these names, in their order."""
        self.state = check_results.State(self.arguments)
        self.state.python = True
        return list(check_results.run(
            [check for group in command.groups(self.arguments)
             for check in group if check.name in names], self.state))

    def assert_found(self, status, results, *texts):
        """One of the results has that status, and these texts.

        :returns: it
        """
        found = [result for result in results if result.status == status]
        self.assertEqual(1, len(found), results)
        for text in texts:
            self.assertIn(text, "%s: %s; %s" % (
                found[0].name, found[0].message, found[0].hint))
        return found[0]

    def assert_ok(self, results):
        """All that was checked is as it should be."""
        self.assertEqual({check_results.OK}, {
            result.status for result in results}, results)

    def as_nobody(self, function):
        """Call a function in a child whose user owns nothing.

        Where the tests are not run by root, it is their own user.
        """
        # The child of a user that may not read our Python cannot import.
        self.find(*(check.name for group in command.groups(self.arguments)
                    for check in group))
        ours, childs = os.pipe()

        def run():
            try:
                if not os.geteuid():
                    check_agent.become(NOBODY)
                function()
            except BaseException:
                os.write(childs, traceback.format_exc().encode())
                raise
            return True
        succeeded = base.in_child(run)
        os.close(childs)
        with os.fdopen(ours) as file:
            self.assertTrue(succeeded, file.read())

    def serve(self, handle):
        """Give each connection to a function, in a thread of its own.

        :returns: the endpoint
        """
        server = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(server.close)
        self.addCleanup(server.shutdown, socket.SHUT_RDWR)

        def accept():
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=handle, args=(connection,),
                                 daemon=True).start()
        threading.Thread(target=accept, daemon=True).start()
        return server.getsockname()

    def check(self, *arguments):
        """Run the command, as the user of the tests, and as the agent's."""
        return self.run_command(
            "check", "--user", pwd.getpwuid(os.geteuid()).pw_name,
            *arguments)

    def shadow(self, distribution, version, entry_points=""):
        """Put another release of a distribution before the installed one."""
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        info = folder / ("%s-%s.dist-info" % (distribution, version))
        info.mkdir()
        (info / "METADATA").write_text(
            "Metadata-Version: 2.1\nName: %s\nVersion: %s\n" % (
                distribution, version))
        (info / "entry_points.txt").write_text(entry_points)
        self.useFixture(fixtures.MonkeyPatch(
            "sys.path", [str(folder), *sys.path]))
        self.useFixture(fixtures.MonkeyPatch(
            "stevedore.extension.ExtensionManager.ENTRY_POINT_CACHE", {}))
