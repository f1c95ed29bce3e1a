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

"""Show the instances on this hypervisor, live, as top does.

What it shows is polled by Ceilometer's own discovery and pollsters, and
made into rates as it is for the graphs. It needs libvirt, for which its
read-only socket is enough, and no credentials.
"""

import argparse
import dataclasses
import datetime
import json
import os
import time

from oslo_config import cfg

from ceilometer_graphite import definitions
from ceilometer_graphite.cli import common
from ceilometer_graphite.cli import hypervisor
from ceilometer_graphite.cli import pipelines
from ceilometer_graphite.cli.top import instances
from ceilometer_graphite.cli.top import screen
from ceilometer_graphite.cli.top import view


def run(arguments: argparse.Namespace) -> int:
    """Show instances, live or once.

    :returns: the exit status
    :raises common.CommandError: when they cannot be polled
    """
    conf = _load_conf(arguments)
    poll = _poller(conf)
    if arguments.json:
        return _print_json(arguments, conf, poll)
    if not arguments.once:
        if screen.is_possible():
            return screen.run(
                screen.Screen(conf.host, arguments.sort, arguments.filter),
                poll, arguments.interval)
        common.note("there is no terminal; this is what --once prints")
    poll()
    time.sleep(arguments.interval)
    screen.print_table(_choose(poll(), arguments))
    return 0


def _poller(conf):
    """What polls the instances of this hypervisor whenever it is called."""
    polled = hypervisor.InstanceHypervisor(conf, instances.METERS)
    remembered = instances.Instances(_definitions(conf), conf)
    for note in remembered.notes:
        common.note(note)

    def poll():
        found = remembered.update(
            [sample for samples in polled.poll() for sample in samples])
        notes = polled.notes.take()
        if notes and not found:
            raise common.CommandError(
                "no instances were found: %s" % notes[0],
                "Ceilometer finds those that Nova started")
        return found
    return poll


def _choose(found, arguments):
    return view.choose(found, arguments.sort, pattern=arguments.filter)


def _print_json(arguments, conf, poll):
    poll()
    while True:
        time.sleep(arguments.interval)
        found = [dataclasses.asdict(instance)
                 for instance in _choose(poll(), arguments)]
        if arguments.once:
            print(json.dumps(found))
            return 0
        now = datetime.datetime.now(datetime.timezone.utc)
        print(json.dumps({"time": now.isoformat(timespec="seconds"),
                          "host": conf.host, "instances": found}), flush=True)


def _load_conf(arguments):
    """The agent's configuration, or none where this user may not read it."""
    try:
        return common.load_conf(arguments, needed=False)
    except common.CommandError as e:
        named = arguments.config_file or arguments.config_dir
        if named or not isinstance(
                e.__cause__, cfg.ConfigFilesPermissionDeniedError):
            raise
        common.note("%s; the defaults are used" % e)
    return common.default_conf(arguments)


def _definitions(conf):
    """Those of the agent's first publisher, if it has one."""
    if not os.path.isabs(conf.pipeline_cfg_file):
        return definitions.load()  # the file is not there
    try:
        return common.load_settings(
            conf, pipelines.graphite_urls(conf)[0]).definitions
    except common.CommandError as e:
        common.note("%s; the packaged definitions are used" % e)
        return definitions.load()
