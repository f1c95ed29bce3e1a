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

"""List, send or print the lines that wait on disk.

Those of an agent that runs are only listed; it sends them itself.
"""

import argparse
import os
import sys
import time
import typing

from ceilometer_graphite import outbox
from ceilometer_graphite import sender
from ceilometer_graphite import settings as publisher_settings
from ceilometer_graphite import spool
from ceilometer_graphite import stats
from ceilometer_graphite import transports
from ceilometer_graphite.cli import common
from ceilometer_graphite.cli import pipelines

_LOOK_SECONDS = 0.05


def run(arguments: argparse.Namespace) -> int:
    """List, send or export sets of lines.

    :returns: the exit status
    :raises common.CommandError: when there is no such set, or it cannot be
        sent
    """
    conf = common.load_conf(arguments)
    if arguments.action == "list":
        return _list(_folders(conf, arguments))
    if not arguments.set:
        raise common.CommandError(
            "spool %s needs the name of a set" % arguments.action,
            "ceilometer-graphite spool list shows them")
    folder = _folder(conf, arguments)
    if arguments.action == "export":
        return _export(folder)
    if not (arguments.url or "").startswith(common.SCHEME):
        raise common.CommandError(
            "spool send needs a URL that begins with %s, and not %s" % (
                common.SCHEME, arguments.url or "none"),
            "give one, such as graphite://graphite.example.com:2003")
    return _send(folder, common.load_settings(conf, arguments.url),
                 arguments.timeout)


def _folders(conf, arguments) -> list[spool.Folder]:
    """The sets in --spool-dir, or in each spool_dir of the agent."""
    roots = [arguments.spool_dir] if arguments.spool_dir else [
        loaded.spool_dir for loaded in (
            common.load_settings(conf, url)
            for url in pipelines.graphite_urls(conf)) if loaded.spool_dir]
    if not roots:
        raise common.CommandError(
            "no spool_dir is set", "name one with --spool-dir")
    try:
        return [folder for root in dict.fromkeys(roots)
                if os.path.isdir(root) for folder in spool.folders(root)]
    except OSError as e:
        raise common.CommandError("%s cannot be read: %s" % (
            e.filename, e.strerror), "run it as the agent's user") from e


def _folder(conf, arguments) -> spool.Folder:
    for folder in _folders(conf, arguments):
        if arguments.set in (os.path.basename(folder.path), folder.path):
            return folder
    raise common.CommandError(
        "there is no set %s" % arguments.set,
        "ceilometer-graphite spool list shows them")


def _list(folders: list[spool.Folder]) -> int:
    print("%-40s %12s %12s  %s" % ("SET", "LINES", "BYTES", "ENDPOINTS"))
    for folder in folders:
        print("%-40s %12d %12d  %s" % (
            os.path.basename(folder.path), folder.count_lines(),
            folder.size(), ",".join(folder.endpoints())))
    return 0


def _export(folder: spool.Folder) -> int:
    for data in folder.contents():
        for _, lines in spool.unpack(data):
            sys.stdout.write(lines.decode("ascii"))
    return 0


def _send(folder: spool.Folder, loaded: publisher_settings.Settings,
          timeout: float) -> int:
    """Send the files of agents that have ended, and delete each."""
    # A file that is confirmed is deleted, so no line of it may be dropped.
    box = outbox.Outbox(sys.maxsize, 0, lambda lost: None)
    link = sender.Sender(
        loaded, box, transports.make(loaded, lambda: link.patience()),
        stats.Counts(), lambda: None)
    link.start()
    count = 0
    mine, lock = folder.lock_new()
    try:
        for owner in sorted(folder.owners() - {mine}):
            for path in list(folder.adopt(owner, folder, mine)):
                count += _send_file(path, box, link, timeout)
    finally:
        link.hurry(time.monotonic())
        link.close()
        link.join(1)
        # So that an agent may take the files over, whoever has run this.
        folder.delete_lock(mine)
        os.close(lock)
    others = folder.files()
    if others:
        print("A running agent has %d files, and sends them itself" %
              len(others))
    print("%d lines were sent" % count)
    return 0


def _send_file(path: str, box: outbox.Outbox, link: typing.Any,
               timeout: float) -> int:
    """Send one file, wait for its confirmation, and delete it.

    :returns: how many lines it had
    """
    batches = [lines for _, lines in spool.unpack(spool.read(path))]
    for lines in batches:
        box.put(lines, lines.count(b"\n"))
    link.wake()
    until = time.monotonic() + timeout
    while not box.is_done():
        if time.monotonic() > until:
            raise common.CommandError(
                "%s was not confirmed within %g seconds, and stays" % (
                    path, timeout),
                "ceilometer-graphite check --send finds out why")
        time.sleep(_LOOK_SECONDS)
    os.unlink(path)
    return sum(lines.count(b"\n") for lines in batches)
