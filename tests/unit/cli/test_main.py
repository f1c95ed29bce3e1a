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


import os
import pathlib
import signal
import subprocess
import sys

import fixtures

from ceilometer_graphite.cli import main
from lab import agent
from tests.unit.cli import commands

ROOT = pathlib.Path(__file__).absolute().parents[3]
COMMANDS = ("check", "preview", "top", "dashboards")


class MainTest(commands.CommandTestCase):

    def run_main(self, *arguments):
        """As a command that the shell runs, which argparse may end."""
        try:
            return self.run_command(*arguments)
        except SystemExit as e:
            return e.code

    def fail_with(self, error):
        """Have a command end in an error that nobody foresaw."""
        def run(arguments):
            raise error
        self.useFixture(fixtures.MonkeyPatch(
            "ceilometer_graphite.cli.check.command.run", run))

    def test_an_unknown_command_is_one_line_and_a_hint(self):
        ended = self.run_command("chek")
        self.assert_fails(ended, "invalid choice: 'chek'", *COMMANDS)
        self.assertIn("hint: see ceilometer-graphite --help", ended.err)

    def test_an_unknown_option_is_one_line_and_a_hint(self):
        ended = self.run_command("check", "--sent")
        self.assert_fails(ended, "unrecognized arguments: --sent")

    def test_a_wrong_value_names_the_help_of_its_command(self):
        ended = self.run_command("check", "--timeout", "soon")
        self.assert_fails(ended, "--timeout", "'soon'")
        self.assertIn("hint: see ceilometer-graphite check --help", ended.err)

    def test_no_command_waits_for_no_time(self):
        for command in "check", "spool":
            self.assert_fails(self.run_command(command, "--timeout", "0"),
                              "--timeout: it has to be above 0")

    def test_a_missing_configuration_is_one_line_and_a_hint(self):
        (self.directory / "ceilometer.conf").unlink()
        ended = self.run_command("preview")
        self.assert_fails(ended, str(self.directory / "ceilometer.conf"))
        self.assertIn("hint: the agent does not start", ended.err)

    def test_a_traceback_is_shown_with_debug_only(self):
        (self.directory / "ceilometer.conf").unlink()
        self.assertNotIn("Traceback", self.run_command("preview").err)
        ended = self.run_command("preview", "--debug")
        self.assertEqual(2, ended.status)
        self.assertIn("Traceback", ended.err)
        self.assertIn("\nhint: ", ended.err)

    def test_an_error_that_nobody_foresaw_is_one_line_too(self):
        self.fail_with(KeyError("first\nsecond"))
        ended = self.run_command("check")
        self.assert_fails(ended, "KeyError: ", "first")
        self.assertIn("--debug", ended.err)

    def test_a_bad_option_of_ceilometers_is_told_without_pythons_words(self):
        self.write("ceilometer.conf", "[DEFAULT]\npipeline_cfg_file = "
                   "pipeline.yaml\n[graphite]\n[polling]\n"
                   "batch_size = many\nenable_notifications = perhaps\n")
        ended = self.run_command("preview", "--once")
        self.assert_fails(ended, "perhaps")
        self.assertNotIn("LocationInfo", ended.err)

    def test_an_interrupt_is_quiet(self):
        self.fail_with(KeyboardInterrupt())
        self.assertEqual((130, "", ""), self.run_command("check"))

    def test_each_command_has_a_help_of_its_own(self):
        for name in COMMANDS:
            with fixtures.StringStream("out") as out, \
                    fixtures.MonkeyPatch("sys.stdout", out.stream):
                self.assertRaises(SystemExit, main.main, [name, "--help"])
                out.stream.seek(0)
                text = out.stream.read()
            self.assertIn("usage: ceilometer-graphite %s " % name, text)
            self.assertIn("--debug", text)

    def test_debug_stands_before_a_command_or_behind(self):
        parser = main.make_parser()
        for words in (["--debug", "check"], ["check", "--debug"]):
            self.assertTrue(parser.parse_args(words).debug)
        self.assertFalse(parser.parse_args(["check"]).debug)


class ProcessTest(commands.CommandTestCase):
    """What only a process of its own shows."""

    def start(self, *arguments, interpreter=(), **kwargs):
        return subprocess.Popen(
            [sys.executable, *interpreter, "-m",
             "ceilometer_graphite", *arguments], cwd=ROOT, text=True,
            stderr=subprocess.PIPE,
            env={**os.environ, **agent.simulator_env(1)}, **kwargs)

    def test_help_waits_for_no_command(self):
        with self.start("--help", stdout=subprocess.PIPE,
                        interpreter=["-X", "importtime"]) as process:
            out, imported = process.communicate()
        self.assertEqual(0, process.returncode)
        self.assertIn("usage: ", out)
        self.assertIn(main.__name__, imported)
        for name in ("ceilometer.polling", "ceilometer.service",
                     "oslo_messaging"):
            self.assertNotIn(name, imported)

    def test_a_closed_pipe_ends_it_quietly(self):
        for arguments in (
                ["--print-completion", "bash"],
                ["check", "--config-file", str(self.directory / "none")]):
            ours, theirs = os.pipe()
            os.close(ours)
            process = self.start(*arguments, stdout=theirs)
            os.close(theirs)
            self.assertEqual(("", 141), (
                process.communicate()[1], process.returncode))

    def test_an_output_that_is_full_is_an_error(self):
        for arguments in ([], ["--json"]):
            with open("/dev/full", "w") as full:
                process = self.start(
                    "check", "--config-file", str(self.directory / "none"),
                    *arguments, stdout=full)
                err = process.communicate()[1]
            self.assertEqual(2, process.returncode)
            self.assertEqual(
                "ceilometer-graphite: the output cannot be written: No space "
                "left on device\nhint: make room there, or write elsewhere\n",
                err)

    def test_an_interrupt_ends_it_quietly(self):
        # Something that takes connections and says nothing.
        with subprocess.Popen(
                [sys.executable, "-c", SILENT], text=True,
                stdout=subprocess.PIPE) as silent:
            self.addCleanup(silent.kill)
            self.configure(commands.PIPELINE % (
                "graphite://127.0.0.1:%s" % silent.stdout.readline().strip()),
                protocol="tls", connect_timeout_seconds=600)
            self.write("polling.yaml", agent.POLLING.format(
                interval_seconds=60))
            process = self.start(
                "check", "--config-file",
                str(self.directory / "ceilometer.conf"),
                stdout=subprocess.PIPE)
            for line in process.stdout:
                if "spool of" in line:
                    break
            process.send_signal(signal.SIGINT)
            rest, err = process.communicate()
            silent.kill()
        self.assertEqual(("", "", 130), (rest, err, process.returncode))

    def test_the_version_is_that_of_the_package(self):
        process = self.start("--version", stdout=subprocess.PIPE)
        out, err = process.communicate()
        self.assertRegex(out, r"^ceilometer-graphite \d+\.\d+")
        self.assertEqual("", err)

    def test_bash_completes_commands_and_options(self):
        process = self.start("--print-completion", "bash",
                             stdout=subprocess.PIPE)
        script, err = process.communicate()
        self.assertEqual("", err)
        for words, expected in ((["ch"], "check"),
                                (["check", "--rend"], "--render-url")):
            self.assertEqual(expected, self.complete(script, words))

    def complete(self, script, words):
        """What bash makes of the last of some words."""
        return subprocess.run(
            ["bash", "-c", script + COMPLETE, "bash", "ceilometer-graphite",
             *words], text=True, capture_output=True, check=True
        ).stdout.strip()

    def test_completion_without_its_library_says_what_to_install(self):
        # What is None there cannot be imported.
        process = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", "import sys\n"
             "sys.modules['shtab'] = None\n"
             "from ceilometer_graphite.cli import main\n"
             "sys.exit(main.main(['--print-completion', 'bash']))"],
            cwd=ROOT, text=True, capture_output=True, check=False)
        self.assertEqual(
            (2, "", "ceilometer-graphite: --print-completion needs the "
             "library shtab: pip install 'ceilometer-graphite[cli]'\n"),
            (process.returncode, process.stdout, process.stderr))

    def test_the_plugin_does_without_the_commands(self):
        subprocess.run([sys.executable, "-W", "ignore", "-c", PLUGIN_ALONE],
                       check=True, cwd=ROOT)


SILENT = """
import socket, time
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
time.sleep(600)
"""
COMPLETE = """
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
function=$(complete -p ceilometer-graphite | sed 's/.*-F \\([^ ]*\\).*/\\1/')
$function ceilometer-graphite "${COMP_WORDS[COMP_CWORD]}" ""
printf '%s\\n' "${COMPREPLY[@]}"
"""
PLUGIN_ALONE = """
import sys
from stevedore import driver
for namespace, name in (
        ("oslo.messaging.notify.drivers", "ceilometer_pipeline"),
        ("ceilometer.sample.publisher", "graphite")):
    driver.DriverManager(namespace, name)
assert "ceilometer_graphite.publisher" in sys.modules
found = {"ceilometer_graphite.cli", "ceilometer_graphite.dashboards",
         "curses", "shtab"} & set(sys.modules)
assert not found, found
"""
