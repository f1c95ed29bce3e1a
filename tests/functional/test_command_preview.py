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


import json
import os
import subprocess
import sys

from lab import agent
from lab import process
from lab import receiver
from tests.functional import commands
from tests.functional import truth

PIPELINE = """\
sources:
  - {{name: all, meters: ["*"], sinks: [both]}}
sinks:
  - {{name: both, publishers: ["{url}", "file://{path}?json"]}}
"""
POLLING = """\
sources:
  - {name: all, interval: 1, meters: ["cpu", "memory.usage", "disk.device.*"]}
"""
# Ends the process if it resolves a name, connects or sends.
NO_NETWORK = """
import os, sys
def hook(event, arguments):
    if event in ("socket.getaddrinfo", "socket.connect", "socket.sendto",
                 "socket.sendmsg"):
        os.write(2, f"{event} {arguments}".encode())
        os._exit(99)
sys.addaudithook(hook)
from ceilometer_graphite.cli import main
sys.exit(main.main(sys.argv[1:]))
"""


class PreviewTest(commands.CommandTestCase):

    def setUp(self):
        super().setUp()
        self.receiver = receiver.Receiver(self.directory / "receiver")
        self.url = "graphite://127.0.0.1:%d" % self.receiver.port

    def series(self, lines):
        return {line.split()[0] for line in lines}

    def test_a_recording_gives_the_lines_that_the_agent_sent(self):
        path = self.directory / "truth.jsonl"
        with (self.receiver, agent.Agent(
                self.directory / "agent",
                PIPELINE.format(url=self.url, path=path), POLLING,
                {"graphite": {"self_metrics_interval": 0}},
                {key: self.env[key] for key in self.env
                 if key.startswith(("SIMULATOR", "PYTHONPATH"))})
              as self.agent):
            self.agent.wait_until(
                lambda: path.exists() and [
                    sample["name"] for sample in truth.load(path)
                ].count("cpu") >= 3 * self.instances, 60, "three cycles")
            self.agent.terminate()
            ended = self.run_command("preview", str(path))
            lines = ended.stdout.splitlines()
            process.wait_for(lambda: self.receiver.count() >= len(lines), 20,
                             "what was sent")
        self.assertEqual(sorted(self.receiver.lines()), sorted(lines))
        wanted = truth.expected(truth.load(path))
        self.assertEqual(wanted.keys(), self.series(lines))

    def test_a_poll_gives_its_lines_and_connects_to_nothing(self):
        self.configure(polling=POLLING, spool_dir=self.directory / "spool")
        name, *arguments = self.command(
            "preview", "--json", "--seconds=1")[len(commands.COMMAND):]
        with self.receiver:
            ended = subprocess.run(
                [sys.executable, "-W", "ignore", "-c", NO_NETWORK, name,
                 *arguments], cwd=commands.ROOT, env=self.env, text=True,
                capture_output=True, timeout=60, check=False)
            self.assertEqual(0, ended.returncode, ended.stderr)
            self.assertEqual(0, self.receiver.connections())
        self.assertFalse(os.path.exists(self.directory / "spool"))
        found = json.loads(ended.stdout)
        lines = found["publishers"][0]["lines"]
        self.assertEqual([], found["left_out"])
        self.assertEqual(
            self.instances,
            len([path for path in self.series(lines)
                 if path.endswith(".cpu_util")]))
        self.assertTrue([path for path in self.series(lines)
                         if ".disk.device.read.bytes.rate.vd" in path])
        self.assertFalse([path for path in self.series(lines)
                          if ".network." in path])

    def test_a_single_poll_has_no_rates_and_says_so(self):
        ended = self.run_command("preview", "--once")
        self.assertEqual(0, ended.returncode, ended.stderr)
        self.assertIn("there are no rates", ended.stderr)
        paths = self.series(ended.stdout.splitlines())
        self.assertTrue([path for path in paths
                         if path.endswith(".memory.usage")])
        self.assertFalse([path for path in paths
                          if ".rate" in path or "cpu_util" in path])

    def test_an_unreachable_hypervisor_is_reported_in_one_line(self):
        self.steer(away="")
        self.assert_fails(self.run_command("preview"),
                          "cannot reach libvirt: ", "socket is gone")
