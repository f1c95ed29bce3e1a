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
import re
import signal
import subprocess

from tests.functional import commands
from tests.functional import simulated
from tests.functional import terminals

ENTERED, LEFT = b"\x1b[?1049h", b"\x1b[?1049l"
CURSOR_IS_BACK = b"\x1b[?25h"


class OnceTest(commands.CommandTestCase):

    def test_it_shows_the_rates_of_the_hypervisor(self):
        before = simulated.read(self.env)
        ended = self.run_command("top", "--once", "--json", "--interval=1")
        wanted = simulated.rates(before, simulated.read(self.env))
        self.assertEqual((0, ""), (ended.returncode, ended.stderr))
        found = {instance["instance_id"]: instance
                 for instance in json.loads(ended.stdout)}
        self.assertEqual(wanted.keys(), found.keys())
        for instance, figures in wanted.items():
            for name, value in figures.items():
                self.assertLess(
                    abs(found[instance][name] - value), 0.02 * value + 1,
                    (name, found[instance], figures))
        self.assertEqual({"web", "db", "batch", "cache", "ci", "app", "edge",
                          "vpn"}, {instance["name"][:-3]
                                   for instance in found.values()})
        self.assertEqual({"running"}, {
            instance["state"] for instance in found.values()})

    def test_without_a_terminal_it_prints_a_table_and_says_so(self):
        ended = self.run_command("top", "--interval=1", "--sort=network",
                                 "--filter=m1.small")
        self.assertEqual((0, "note: there is no terminal; this is what "
                          "--once prints\n"),
                         (ended.returncode, ended.stderr))
        rows = [line.split() for line in ended.stdout.splitlines()
                if "running" in line]
        self.assertEqual({"cache-01", "cache-02", "edge-01"},
                         {row[0] for row in rows})
        self.assertEqual("edge-01", rows[0][0])
        self.assertEqual([32, 12], [len(rows[0][1]), len(rows[0])])

    def test_a_user_who_may_not_read_the_configuration_gets_the_defaults(
            self):
        home = self.directory / ".ceilometer"
        home.mkdir()
        (home / "ceilometer.conf").write_text("")
        (home / "ceilometer.conf").chmod(0)
        self.directory.chmod(0o755)
        # root needs its capabilities to read any file.
        command = ["setpriv", "--bounding-set=-all", "--inh-caps=-all",
                   "--securebits=+noroot"] if os.geteuid() == 0 else []
        ended = subprocess.run(
            [*command, *commands.COMMAND, "top", "--once", "--interval=1"],
            env={**self.env, "HOME": str(self.directory)}, text=True,
            cwd=commands.ROOT, capture_output=True, timeout=60, check=False)
        self.assertEqual(0, ended.returncode, ended.stderr)
        self.assertRegex(ended.stderr, r"\Anote: .*/ceilometer\.conf; the "
                                       r"defaults are used\n\Z")
        self.assertIn("web-01", ended.stdout)


class StreamTest(commands.CommandTestCase):
    instances = 3

    def test_it_follows_instances_that_stop_leave_and_return(self):
        self.steer()
        with subprocess.Popen(
                self.command("top", "--json", "--interval=0.5"),
                env=self.env, cwd=commands.ROOT, text=True,
                stdout=subprocess.PIPE) as child:
            try:
                states = self.states(child.stdout)
                every = {"web-01": ("running", True),
                         "db-01": ("running", True),
                         "batch-01": ("running", True)}
                self.follow(states, every)
                self.steer(off="db-01", gone="web-01")
                self.follow(states, {"db-01": ("shutdown", False),
                                     "batch-01": ("running", True)})
                self.steer(off="", gone="")
                self.follow(states, every)
            finally:
                child.terminate()

    def states(self, lines):
        """Yield {instance: (state, whether it has rates)} of each line."""
        for line in lines:
            found = json.loads(line)
            self.assertEqual("compute-1.example.org", found["host"])
            yield {instance["name"]: (
                instance["state"], instance["cpu_percent"] is not None)
                for instance in found["instances"]}

    def follow(self, states, wanted):
        """Wait for a line that has the wanted states."""
        for _ in range(10):
            if next(states) == wanted:
                return
        self.fail("%s is not in ten lines" % wanted)


class LiveTest(commands.CommandTestCase):
    """Tests the live screen in a pseudo terminal."""

    def start(self, *arguments, command=None):
        made = terminals.Terminal(
            command or self.command("top", "--interval=0.5", *arguments),
            self.env, commands.ROOT)
        self.addCleanup(made.close)
        made.wait_for(lambda lines: self.rows(lines) and "-" not in (
            self.rows(lines)[0]), "instances with their rates")
        return made

    def rows(self, lines):
        """Return the cells of each instance."""
        return [line.split() for line in lines
                if " m1." in line]

    def names(self, lines):
        return [row[0] for row in self.rows(lines)]

    def assert_is_restored(self, terminal):
        self.assertEqual(terminal.before, terminal.settings())
        self.assertTrue(terminal.output.count(ENTERED)
                        == terminal.output.count(LEFT) > 0)
        self.assertLess(terminal.output.rindex(ENTERED),
                        terminal.output.rindex(CURSOR_IS_BACK))

    def test_keys_sort_filter_and_quit(self):
        live = self.start()
        self.assertNotEqual(live.before, live.settings())
        self.assertEqual("ci-01", self.names(live.screen())[0])
        live.type("N")
        live.wait_for(lambda lines: self.names(lines)[:2] == [
            "app-01", "batch-01"], "an order by name")
        live.type("r")
        live.wait_for(lambda lines: self.names(lines)[:2] == [
            "web-02", "web-01"], "the reverse order")
        live.type("/small\r")
        live.wait_for(lambda lines: self.names(lines) == [
            "edge-01", "cache-02", "cache-01"], "a filter")
        live.resize(10, 60)
        live.wait_for(lambda lines: len(lines) == 10 and max(
            map(len, lines)) <= 60, "a smaller screen")
        live.type("q")
        self.assertEqual(0, live.wait_for_end())
        self.assert_is_restored(live)

    def test_it_reports_a_missing_libvirt_until_it_is_back(self):
        self.steer()
        live = self.start("--sort=name")
        self.steer(away="")
        lines = live.wait_for(lambda lines: not self.rows(lines),
                              "no instances")
        self.assertIn("cannot reach libvirt", lines[1])
        (self.directory / "away").unlink()
        lines = live.wait_for(self.rows, "instances again")
        self.assertEqual("", lines[1])
        live.type("\x03")
        self.assertEqual(130, live.wait_for_end())
        self.assert_is_restored(live)

    def test_a_terminal_that_hangs_up_ends_it(self):
        live = self.start()
        live.child.send_signal(signal.SIGHUP)
        self.assertEqual(129, live.wait_for_end())
        self.assert_is_restored(live)

    def test_it_goes_on_with_nohup(self):
        live = self.start(command=["bash", "-c", "trap '' HUP; exec " + (
            " ".join(self.command("top", "--interval=0.5")))])
        live.child.send_signal(signal.SIGHUP)
        live.type("N")
        live.wait_for(lambda lines: self.names(lines)[:1] == ["app-01"],
                      "an order by name")
        live.type("q")
        self.assertEqual(0, live.wait_for_end())

    def test_suspended_and_terminated_it_leaves_the_terminal_as_it_was(self):
        top = " ".join(self.command("top", "--interval=0.5"))
        live = self.start(command=[
            "bash", "-c", "set -m; %s & echo pid $!.; fg; echo stopped $?; "
            "stty -a; fg; echo ended $?" % top])
        live.type("\x1a")
        live.wait_for_output("stopped 148")
        live.wait_for(lambda lines: live.output.count(ENTERED) == 2,
                      "the screen again")
        before, after = live.output.split(b"stopped 148")
        self.assertEqual(1, before.count(LEFT))
        self.assertIn(b" icanon ", after)
        pid = int(re.search(rb"pid (\d+)\.", live.output)[1])
        os.kill(pid, signal.SIGTERM)
        live.wait_for_output("ended 143")
        self.assertEqual(0, live.wait_for_end())
        self.assert_is_restored(live)
