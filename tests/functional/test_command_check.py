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


import importlib.util
import json
import os
import pathlib
import shutil
import stat

from lab import certificates
from lab import graphite
from lab import process
from lab import relay
from tests import host
from tests.functional import commands

PIPELINE = """\
sources:
  - {name: compute, meters: ["*"], sinks: [graphite]}
sinks:
  - {name: graphite, publishers: %s}
"""
POLLING = """\
sources:
  - {name: compute, interval: 1, meters: [cpu, "disk.device.*"]}
"""


def for_all(path):
    """Return whether all users can reach a path."""
    return all(folder.stat().st_mode & stat.S_IXOTH
               for folder in pathlib.Path(path).parents)


class CheckTest(commands.CommandTestCase):
    """Has a Carbon and a graphite-web for all tests."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.lab = host.folder_of_class(cls)
        cls.carbon = cls.start_for_all(graphite.Carbon(
            cls.lab / "carbon", tags=True))
        cls.web = cls.start_for_all(graphite.GraphiteWeb(
            cls.lab / "web", cls.carbon))

    @classmethod
    def start_for_all(cls, part):
        part.__enter__()
        cls.addClassCleanup(part.__exit__, None, None, None)
        return part

    def start(self, part):
        part.__enter__()
        self.addCleanup(part.__exit__, None, None, None)
        return part

    def setUp(self):
        super().setUp()
        # Find the agent of this Python on PATH.
        self.env["PATH"] = os.pathsep.join([
            str(pathlib.Path(process.script("python")).parent),
            self.env["PATH"]])
        self.arguments = ["--user", "root"] if not os.geteuid() else []

    def publish_to(self, *urls, **options):
        """Configure the publishers of the agent."""
        self.configure(POLLING, **options)
        self.agent.write(pipeline=PIPELINE % list(urls))

    def url_of(self, port, query=""):
        return "graphite://127.0.0.1:%d%s" % (port, query)

    def check(self, *arguments):
        """Run the command.

        :returns: the exit status, and {name: message} of each finding that
            is not ok
        """
        ended = self.run_command(
            "check", "--json", *self.arguments, *arguments)
        self.assertEqual("", ended.stderr)
        self.findings = json.loads(ended.stdout)
        return ended.returncode, {
            found["name"]: found["message"] for found in self.findings
            if found["status"] != "ok"}

    def check_and_read_back(self):
        return self.check("--send", "--render-url", self.web.url)

    def assert_read_back(self, count):
        """Assert that datapoints were read back with the right values."""
        names = [found["name"].partition("read of ")[2]
                 for found in self.findings
                 if "is back after" in found["message"]]
        self.assertEqual(count, len(set(names)), self.findings)
        return names

    def test_check_of_a_working_node_reads_its_datapoints_back(self):
        self.publish_to(
            self.url_of(self.carbon.line_port),
            self.url_of(self.carbon.pickle_port, "?format=pickle"),
            self.url_of(self.carbon.udp_port, "?protocol=udp"))
        self.assertEqual((0, {}), self.check_and_read_back())
        for name in self.assert_read_back(3):
            points = self.web.points(name)[name]
            self.assertEqual({second: second for second in points}, points)

    def test_a_tagged_datapoint_is_read_back(self):
        self.publish_to(self.url_of(self.carbon.line_port), naming="tags",
                        append_hostname=False)
        self.assertEqual((0, {}), self.check_and_read_back())
        name, = self.assert_read_back(1)
        self.assertIn(";endpoint=127_0_0_1_", name)

    def test_without_json_each_line_is_one_finding(self):
        self.publish_to(self.url_of(self.carbon.line_port))
        ended = self.run_command("check", *self.arguments)
        self.assertEqual((0, ""), (ended.returncode, ended.stderr))
        *lines, summary = filter(None, ended.stdout.splitlines())
        self.assertIn("ok       libvirt: is reached, instances: 12", lines)
        self.assertIn("ok       host: compute-1.example.org", lines)
        self.assertEqual("%d ok. Nothing was found that keeps samples from "
                         "Graphite." % len(lines), summary)

    def test_a_carbon_that_is_away_is_an_error(self):
        port, = process.free_ports(1)
        self.publish_to(self.url_of(port))
        status, found = self.check_and_read_back()
        self.assertEqual(2, status)
        self.assertEqual({
            "127.0.0.1:%d" % port: "the connection is refused",
            "send": "needs an endpoint that is reached",
            "read": "needs a datapoint that was sent"}, found)

    def test_a_datapoint_that_carbon_cannot_read_is_not_read_back(self):
        self.publish_to(self.url_of(self.carbon.line_port, "?format=pickle"))
        status, found = self.check("--send", "--render-url", self.web.url,
                                   "--timeout", "2")
        name, = found
        self.assertEqual(2, status)
        self.assertTrue(name.startswith("read of "), found)

    def test_a_libvirt_that_is_away_is_an_error(self):
        if not importlib.util.find_spec("libvirt"):
            self.skipTest("needs libvirt-python")
        self.publish_to(self.url_of(self.carbon.line_port))
        self.env.pop("PYTHONPATH")
        self.agent.write_conf({"DEFAULT": {
            "libvirt_uri": "qemu+unix:///system?socket=/no/such/socket"}})
        status, found = self.check()
        self.assertEqual(2, status)
        self.assertEqual({"libvirt", "instances", "cycle"}, set(found))
        self.assertIn("/no/such/socket", found["libvirt"])

    def test_it_checks_as_the_agents_user(self):
        if os.geteuid():
            self.skipTest("needs root")
        for folder in (self.directory, self.directory.parent):
            if not folder.stat().st_mode & stat.S_IXOTH:
                folder.chmod(0o755)
        spool = self.directory / "spool"
        spool.mkdir(mode=0o755)
        self.publish_to(self.url_of(self.carbon.line_port), spool_dir=spool)
        self.arguments = ["--user", "nobody"]
        status, found = self.check()
        self.assertEqual(2, status)
        if for_all(os.__file__):
            self.assertIn("nobody cannot write to %s" % spool, found[
                "spool of " + self.url_of(self.carbon.line_port)])
        else:
            self.assertIn("nobody may not read the Python", found["user"])

    def test_the_relay_with_the_right_certificate_gets_the_datapoint(self):
        """Uses carbon-c-relay as the TLS server."""
        authority = self.make_authority()
        right, other = (self.start(relay.Relay(
            self.directory / name, self.carbon.line_port,
            authority.certificate(name, alternatives))).port
            for name, alternatives in (
                ("right", "IP:127.0.0.1"),
                ("other", "DNS:graphite.example.org")))
        plain = self.carbon.line_port
        self.publish_to(*map(self.url_of, (right, other, plain)),
                        protocol="tls", cafile=authority.cafile,
                        connect_timeout_seconds=1)
        status, found = self.check_and_read_back()
        self.assertEqual(2, status)
        self.assertEqual({"127.0.0.1:%d" % port for port in (other, plain)},
                         set(found))
        self.assertIn("its certificate is refused: IP address mismatch",
                      found["127.0.0.1:%d" % other])
        self.assertRegex(found["127.0.0.1:%d" % plain],
                         "does not (speak TLS|answer in TLS)|closes it")
        self.assert_read_back(1)

    def test_plaintext_to_a_port_for_pickle_or_tls_is_an_error(self):
        """Uses carbon-c-relay as the TLS server."""
        tls = self.start(relay.Relay(
            self.directory / "tls", self.carbon.line_port,
            self.make_authority().certificate("tls"))).port
        for port in tls, self.carbon.pickle_port:
            self.publish_to(self.url_of(port))
            self.assertEqual(
                (2, {"127.0.0.1:%d" % port:
                     "it accepts the connection and closes it"}), self.check())

    def make_authority(self):
        missing = [name for name in ("openssl", relay.COMMAND)
                   if not shutil.which(name)]
        if missing:
            host.lacks("TLS needs %s" % missing)
        return certificates.Authority(self.directory / "ca")
