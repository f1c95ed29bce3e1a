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

"""The demo runs until Ctrl-C on a terminal, and otherwise ends."""

import os
import pathlib
import re
import subprocess
import sys
import urllib.request

import fixtures
from oslotest import base

from lab import process
from tests.functional import terminals

SECONDS = 10
END = "until Ctrl-C."


class DemoTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.directory = pathlib.Path(
            self.useFixture(fixtures.TempDir()).path)
        self.command = [
            sys.executable, "-W", "ignore", "-m", "tools.demo", "--dir",
            str(self.directory), "--seconds", str(SECONDS), "--interval", "1"]
        self.env = {**os.environ, "PYTHONPATH": str(process.ROOT)}

    def test_on_a_terminal_its_addresses_work_until_ctrl_c(self):
        terminal = terminals.Terminal(
            self.command, self.env, process.ROOT, lines=60, columns=200)
        self.addCleanup(terminal.close)
        terminal.wait_for(
            lambda _: END.encode() in terminal.output, END, 120)
        output = terminal.output.decode()
        addresses = re.findall(r"(http://127\.0\.0\.1:\d+\S*)", output)
        self.assertGreater(len(addresses), 5, output)
        for address in addresses:
            with urllib.request.urlopen(address, timeout=60) as answer:
                self.assertEqual(200, answer.status)
        terminal.type("\x03")
        self.assertEqual(130, terminal.wait_for_end())
        port = int(re.search(r"127\.0\.0\.1:(\d+)", output)[1])
        self.assertFalse(process.is_listening(port))

    def test_without_a_terminal_it_ends_and_prints_no_address(self):
        done = subprocess.run(
            self.command, env=self.env, cwd=process.ROOT, text=True,
            stdin=subprocess.DEVNULL, capture_output=True, timeout=300)
        self.assertEqual(0, done.returncode, done.stdout)
        self.assertIn("web-01", done.stdout)
        self.assertNotIn("http", done.stdout)
