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

"""The agent of Debian's package, with the plugin installed by pip."""

import pathlib
import shutil

from lab import command
from lab import nova
from lab import process
from tests import host
from tests.functional import base

PYTHON = "/usr/bin/python3"
ROOT = pathlib.Path(__file__).absolute().parent.parent.parent
# The package's /usr/bin/ceilometer-polling, but with a virtual environment's
# interpreter.
POLLING_SCRIPT = ("import sys; from ceilometer.cmd import polling; "
                  "sys.exit(polling.main())")


class DebianTest(base.GraphiteTestCase):
    """Runs the agent of python3-ceilometer, version 19 in Debian 12."""

    def setUp(self):
        try:
            command.run(PYTHON, "-c", "import ceilometer, ensurepip")
        except (OSError, process.LabError) as error:
            host.lacks("Debian's agent needs python3-ceilometer and "
                       f"python3-venv: {error}")
        super().setUp()

    def install_plugin(self):
        """Return an interpreter with Debian's packages and the plugin.

        It installs from a copy, because a build writes to its source. The
        copy includes .git, because pbr packages the files in git.
        """
        source = self.directory / "source"
        shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(
            ".demo", ".hypothesis", ".stestr", ".tox", "__pycache__",
            "build"))
        venv = self.directory / "venv"
        command.run(PYTHON, "-m", "venv", "--system-site-packages", str(venv))
        command.run("env", "PBR_VERSION=0.1.0", str(venv / "bin/pip"),
                    "install", "--no-deps", "--disable-pip-version-check",
                    str(source))
        return str(venv / "bin/python")

    def start_debians_agent(self):
        endpoint = self.start(nova.Nova()).endpoint
        return self.start_agent(
            command=[self.install_plugin(), "-c", POLLING_SCRIPT],
            options={"service_credentials": {"auth_type": "none",
                                             "endpoint": endpoint}})

    def test_every_sample_of_debians_agent_arrives(self):
        polling_agent = self.start_debians_agent()
        self.check_everything_arrives(polling_agent)
        log = polling_agent.log_text()
        self.assertEqual(1, log.count(
            f"{polling_agent.directory}/pipeline.yaml runs in this agent"),
            log)
