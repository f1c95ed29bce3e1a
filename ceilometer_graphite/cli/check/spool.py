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

"""Whether lines can wait on disk."""

import os
import tempfile

from ceilometer_graphite import spool
from ceilometer_graphite.cli import common
from ceilometer_graphite.cli.check import agent as check_user
from ceilometer_graphite.cli.check import results

_OTHER = "name another spool_dir in [graphite] of ceilometer.conf"
_MIB = 1024 * 1024


def spools(state: results.State) -> results.Results:
    """Each spool_dir can be written and has room. Nothing is left in it."""
    for settings in state.publishers:
        name = "spool of " + settings.url
        if not settings.spool_dir:
            yield results.ok(
                name, "none is set, lines wait in memory only")
            continue
        problem = _not_writable(settings)
        if problem:
            yield results.error(
                name, *problem)
        else:
            yield _room(name, settings)
            yield from _shared(name, settings)
            yield from _left(settings)


def _not_writable(settings):
    """None, or what is wrong and what to do."""
    folder, user = settings.spool_dir, common.user_name()
    hint = "give it to the agent's user: install -d -o %s %s" % (
        check_user.AGENT_USER if user == "root" else user, folder)
    if not os.path.lexists(folder):
        above = _existing(folder)
        if not os.access(above, os.W_OK | os.X_OK):
            return "%s may not make %s" % (user, folder), hint
        return None
    if not os.path.isdir(folder):
        return "%s is no folder" % folder, _OTHER
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as e:
        return ("%s cannot write to %s: %s" % (
            user, folder, e.strerror or common.one_line(e)), hint)
    path = _folder(settings).path
    if os.path.exists(path) and not os.access(
            path, os.R_OK | os.W_OK | os.X_OK):
        return ("%s may not write %s" % (user, path),
                "chown -R %s %s" % (user, path))
    return None


def _folder(settings):
    return spool.folder_of(settings.spool_dir,
                           spool.endpoints_text(settings.endpoints))


def _shared(name, settings):
    """A warning when several agents write the same spool."""
    folder = _folder(settings).path
    try:
        with open("/proc/locks", encoding="ascii") as file:
            locks = [line.split() for line in file]
        inodes = {str(entry.inode()) for entry in os.scandir(folder)
                  if entry.name.endswith(".lock")}
    except OSError:
        return
    # "1: FLOCK ADVISORY WRITE pid major:minor:inode 0 EOF", as in proc(5).
    pids = {fields[4] for fields in locks if fields[1] == "FLOCK"
            and fields[5].rpartition(":")[2] in inodes}
    if len(pids) > 1:
        yield results.warning(
            name, "%d processes write to %s: %s" % (
                len(pids), folder, ", ".join(sorted(pids))),
            "stop all agents but one, or give each a spool_dir of its own "
            "in [graphite] of its ceilometer.conf")


def _left(settings):
    """A warning for each set of endpoints that has lines and no publisher."""
    if not os.path.isdir(settings.spool_dir):
        return
    mine = set(spool.endpoints_text(settings.endpoints).split(","))
    for folder in spool.folders(settings.spool_dir):
        if mine & set(folder.endpoints()):
            continue
        count = folder.count_left()
        if count:
            yield results.warning(
                "spool " + folder.path, "%d lines wait for %s, which is no "
                "endpoint any more" % (count, ",".join(folder.endpoints())),
                "send them: ceilometer-graphite spool send %s graphite://%s"
                % (os.path.basename(folder.path), ",".join(sorted(mine))))


def _existing(folder):
    """The nearest folder above one that there is."""
    folder = os.path.abspath(folder)
    while not os.path.exists(folder):
        folder = os.path.dirname(folder)
    return folder


def _room(name, settings):
    folder = _folder(settings)
    disk = os.statvfs(_existing(settings.spool_dir))
    free = disk.f_bavail * disk.f_frsize
    used = folder.size() if os.path.isdir(folder.path) else 0
    if free + used < settings.spool_size:
        return results.warning(
            name, "%s has %d MiB free, and spool_size is %d MiB" % (
                settings.spool_dir, free // _MIB,
                settings.spool_size // _MIB),
            "set a smaller spool_size, or take another disk")
    return results.ok(name, "%s can be written, %d MiB are free" % (
        settings.spool_dir, free // _MIB))
