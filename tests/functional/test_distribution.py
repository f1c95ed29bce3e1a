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


"""The sdist and the wheel of a release."""

import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import zipfile

import fixtures
from oslotest import base

from lab import agent
from lab import command
from lab import graphite
from lab import process
from tests import host
from tests.functional import commands

NAME = "ceilometer_graphite"
VERSION = "1.2.3"
# Files of git itself.
GITS_OWN = {".gitignore"}
SHARED = ("ceilometer-graphite.conf.sample", "pipeline.yaml", "polling.yaml",
          "storage-aggregation.conf", "storage-schemas.conf")
UV = process.script("uv")


def files_of_the_tree():
    """Return the paths of the checkout that git does not ignore."""
    # The checkout may belong to another user.
    listed = command.run("git", "-c", "safe.directory=*", "ls-files",
                         "--cached", "--others", "--exclude-standard",
                         cwd=commands.ROOT)
    return sorted(path for path in listed.splitlines()
                  if (commands.ROOT / path).is_file())


class DistributionTest(base.BaseTestCase):
    """Builds both once, from a tagged commit like a release."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.directory = host.folder_of_class(cls)
        cls.files = files_of_the_tree()
        cls.sdist, cls.wheel = cls.build()

    @classmethod
    def build(cls):
        """Build the sdist from a repository, and the wheel from the sdist.

        It uses this environment's pbr and setuptools, and no network.
        """
        source = cls.directory / "source"
        for path in cls.files:
            (source / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(commands.ROOT / path, source / path)
        git = ("git", "-c", "user.name=A maintainer",
               "-c", "user.email=maintainer@example.org",
               "-c", "commit.gpgsign=false", "-c", "tag.gpgsign=false")
        for arguments in (("init", "-q"), ("add", "."),
                          ("commit", "-q", "-m", "All"), ("tag", VERSION)):
            command.run(*git, *arguments, cwd=source)
        command.run(
            "env", "-u", "PBR_VERSION", UV, "build", "--quiet", "--offline",
            "--no-build-isolation", "--python", sys.executable, cwd=source)
        # Older versions of setuptools put a dash into the sdist's name.
        sdist, = source.glob(f"dist/ceilometer?graphite-{VERSION}.tar.gz")
        return sdist, source / f"dist/{NAME}-{VERSION}-py3-none-any.whl"

    def test_the_sdist_has_all_that_git_has(self):
        with tarfile.open(self.sdist) as archive:
            found = {member.name.partition("/")[2]
                     for member in archive if member.isfile()}
        self.assertEqual(set(), set(self.files) - GITS_OWN - found)
        for path in ("LICENSE", "README.rst", "etc/pipeline.yaml",
                     "ceilometer_graphite/data/definitions.yaml",
                     "tests/functional/test_distribution.py"):
            self.assertIn(path, found)

    def test_the_wheel_has_only_the_package_and_its_data(self):
        with zipfile.ZipFile(self.wheel) as archive:
            found = {path for path in archive.namelist()
                     if ".dist-info/" not in path}
        share = f"{NAME}-{VERSION}.data/data/share/"
        package = {path for path in self.files if path.startswith(NAME + "/")}
        shared = {share + "ceilometer-graphite/" + name for name in SHARED}
        self.assertEqual(
            package | shared | {share + "man/man1/ceilometer-graphite.1"},
            found)

    def test_check_passes_with_the_sdist_alone(self):
        self.check_passes_with(self.sdist)

    def test_check_passes_with_the_wheel_alone(self):
        self.check_passes_with(self.wheel)

    def check_passes_with(self, distribution):
        """Install it with its requirements into an empty environment."""
        venv = pathlib.Path(self.useFixture(fixtures.TempDir()).path) / "venv"
        command.run(UV, "venv", "--quiet", "--python", sys.executable,
                    str(venv))
        command.run(
            "env", "-u", "PBR_VERSION", UV, "pip", "install", "--quiet",
            "--python", str(venv / "bin/python"), str(distribution))
        for name in SHARED:
            self.assertEqual(
                (commands.ROOT / "etc" / name).read_bytes(),
                (venv / "share/ceilometer-graphite" / name).read_bytes())
        self.assert_in_order(venv)

    def assert_in_order(self, venv):
        """Assert that check finds no problem, and sends a datapoint."""
        carbon = graphite.Carbon(venv.parent / "carbon")
        with carbon:
            ended = self.check(venv, carbon)
            self.assertEqual((0, ""), (ended.returncode, ended.stderr),
                             ended.stdout)
            process.wait_for(lambda: list(carbon.whisper.rglob("check.wsp")),
                             30, "the file of the datapoint")
        *lines, summary = filter(None, ended.stdout.splitlines())
        self.assertEqual(
            "%d ok. Nothing was found that keeps samples from Graphite."
            % len(lines), summary)
        self.assert_lines(lines, venv)

    def assert_lines(self, lines, venv):
        site = next(venv.glob("lib/python*/site-packages"))
        for line in (
                "plugin: ceilometer-graphite is installed in %s" % site,
                "telemetry_driver: ceilometer_pipeline",
                "libvirt: is reached, instances: 12"):
            self.assertIn("ok       " + line, lines)

    def check(self, venv, carbon):
        """Run the command of this environment, outside the checkout."""
        configured = agent.Agent(
            venv.parent / "agent", agent.PIPELINE.format(
                publisher="graphite://127.0.0.1:%d" % carbon.line_port),
            commands.POLLING)
        user = [] if os.geteuid() else ["--user", "root"]
        env = {**os.environ, **agent.simulator_env(events=0),
               "PATH": os.pathsep.join([str(venv / "bin"),
                                        os.environ["PATH"]])}
        return subprocess.run(
            [venv / "bin/ceilometer-graphite", "check", "--send", *user,
             "--config-file", configured.directory / "ceilometer.conf"],
            cwd=venv.parent, env=env, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=60, check=False)
