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

"""Ceilometer's real agents, each with a directory of its own."""

import os
import pathlib
import sys

from lab import process

SIMULATOR = pathlib.Path(__file__).absolute().parent / "simulator"
STEERED = SIMULATOR.parent / "steered"
PIPELINE = """\
sources:
  - name: compute
    meters: ["*"]
    sinks: [graphite]
sinks:
  - name: graphite
    publishers: ["{publisher}"]
"""
POLLING = """\
sources:
  - name: compute
    interval: {interval_seconds}
    meters:
      - cpu
      - memory
      - memory.usage
      - disk.device.read.bytes
      - disk.device.read.requests
      - disk.device.write.bytes
      - disk.device.write.requests
      - network.incoming.bytes
      - network.incoming.packets
      - network.outgoing.bytes
      - network.outgoing.packets
"""


def simulator_env(instances=12, **settings):
    """Return the environment in which an agent polls the simulated hypervisor.

    :param settings: seed, start, day, events; see the simulator's docstring.
    """
    path = [str(SIMULATOR), os.environ.get("PYTHONPATH")]
    return {"PYTHONPATH": os.pathsep.join(filter(None, path)),
            "SIMULATOR_INSTANCES": str(instances),
            **{f"SIMULATOR_{name.upper()}": str(int(value))
               for name, value in settings.items()}}


class Ceilometer(process.Process):
    """A command of Ceilometer, with its configuration in one folder.

    :param name: name of the command. Its last part is the name of the log.
    :param directory: folder for the configuration files and the log.
    :param options: {section: {option: value}}, which override
        `default_options()`. A list of values writes an option several times,
        and None leaves it out.
    :param env: additional environment.
    :param command: the command as a list, if it is not the one of this
        environment.
    :param arguments: arguments of the command, in addition to --config-file.
    :param texts: {name: text} of YAML files, such as pipeline.
    """

    def __init__(self, name, directory, options=None, env=None, command=None,
                 arguments=(), **texts):
        self.directory = process.folder(directory)
        self.write(**texts)
        self.write_conf(options or {})
        super().__init__(
            name, [*(command or [sys.executable, process.script(name)]),
                   *arguments, "--config-file",
                   str(self.directory / "ceilometer.conf")],
            self.directory / f"{name.rpartition('-')[2]}.log", env=env,
            cwd=self.directory)

    def write(self, **texts):
        """Write YAML files, such as pipeline.yaml (`pipeline`)."""
        for name, text in texts.items():
            (self.directory / f"{name}.yaml").write_text(text)

    def write_conf(self, options):
        """Write ceilometer.conf: the defaults, overridden by `options`."""
        merged = self.default_options()
        for section, values in options.items():
            merged[section] = {**merged.get(section, {}), **values}
        lines = []
        for section, values in merged.items():
            lines.append(f"[{section}]")
            for option, value in values.items():
                values = value if isinstance(value, list) else [value]
                lines += [f"{option} = {one}" for one in values
                          if one is not None]
        (self.directory / "ceilometer.conf").write_text(
            "\n".join(lines) + "\n")

    def default_options(self):
        return {
            "DEFAULT": {
                "host": "compute-1.example.org", "use_stderr": True,
                "pipeline_cfg_file": self.directory / "pipeline.yaml"},
            "publisher": {"telemetry_secret": ""},
        }

    def pids(self):
        """Return the pids of the master and of its workers."""
        return [self.pid, *self.worker_pids()]

    def worker_pids(self):
        """Return the pids of the master's forked workers."""
        tasks = pathlib.Path(f"/proc/{self.pid}/task").glob("*/children")
        return [int(pid) for task in tasks
                for pid in task.read_text().split()]


class Agent(Ceilometer):
    """`ceilometer-polling --polling-namespaces compute`.

    :param pipeline: text of pipeline.yaml.
    :param polling: text of polling.yaml.
    :param env: additional environment, such as simulator_env(). The other
        parameters are those of `Ceilometer`.
    """

    def __init__(self, directory, pipeline, polling, options=None, env=None,
                 command=None):
        super().__init__(
            "ceilometer-polling", directory, options, env, command,
            ["--polling-namespaces", "compute"], pipeline=pipeline,
            polling=polling)

    def default_options(self):
        return {
            **super().default_options(),
            "polling": {"cfg_file": self.directory / "polling.yaml"},
            "compute": {"instance_discovery_method": "libvirt_metadata"},
            "publisher_notifier": {"telemetry_driver": "ceilometer_pipeline"},
        }


class NotificationAgent(Ceilometer):
    """`ceilometer-agent-notification`, for samples only.

    :param pipeline: text of pipeline.yaml.
    :param transport_url: URL of its message bus. The other parameters are
        those of `Ceilometer`.
    """

    def __init__(self, directory, pipeline, transport_url, options=None,
                 env=None):
        self._transport_url = transport_url
        super().__init__("ceilometer-agent-notification", directory, options,
                         env, pipeline=pipeline)

    def default_options(self):
        options = super().default_options()
        options["DEFAULT"]["transport_url"] = self._transport_url
        options["notification"] = {"pipelines": "meter"}
        return options
