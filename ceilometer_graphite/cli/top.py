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

Ceilometer's own discovery and pollsters poll what it shows, and the rates
are those of the graphs. It needs libvirt, for which its read-only socket is
enough, and no credentials.
"""

import argparse
import contextlib
import curses
import dataclasses
import datetime
import json
import os
import queue
import shutil
import signal
import sys
import threading
import time

from oslo_config import cfg

from ceilometer_graphite import definitions
from ceilometer_graphite.cli import common
from ceilometer_graphite.cli import instances
from ceilometer_graphite.cli import pipelines
from ceilometer_graphite.cli import sampling

KEYS = {"c": "cpu", "m": "memory", "d": "disk", "n": "network", "N": "name"}
_FOOTER = ("q quit  c cpu  m memory  d disk  n network  N name  r reverse  "
           "/ filter")
UP, DOWN = curses.KEY_UP, curses.KEY_DOWN
_SCROLLS = {UP: -1, DOWN: 1}
_ESCAPE, _ENTER, _ERASE = "\x1b", "\r\n", ("\x7f", "\b", curses.KEY_BACKSPACE)
# Lines of the screen that are no instances: header, footer, headings.
_OTHER_LINES = instances.HEADING_LINES + 4
_FIRST_INTERVAL_SECONDS = 1.0
# After which time a new poll is shown at the latest.
_WAKE_MILLISECONDS = 200
_ESCAPE_MILLISECONDS = 50


def run(arguments: argparse.Namespace) -> int:
    """Show instances, live or once."""
    conf = _load_conf(arguments)
    poll = _poller(conf)
    if arguments.json:
        _print_json(arguments, conf, poll)
    elif not arguments.once and _is_terminal():
        _run_live(Screen(conf.host, arguments.sort, arguments.filter), poll,
                  arguments.interval)
    else:
        if not arguments.once:
            common.note("there is no terminal; this is what --once prints")
        poll()
        time.sleep(arguments.interval)
        # As wide as it is where there is no terminal.
        width = None
        if sys.stdout.isatty() or "COLUMNS" in os.environ:
            width = shutil.get_terminal_size().columns
        print("\n".join(instances.make_table(
            _choose(poll(), arguments), width,
            getattr(sys.stdout, "encoding", None) or "utf-8")))
    return 0


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


def _poller(conf):
    """A function that polls the instances of this hypervisor."""
    polled = sampling.InstanceHypervisor(conf, instances.METERS)
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
    return instances.choose(found, arguments.sort, pattern=arguments.filter)


def _print_json(arguments, conf, poll):
    poll()
    while True:
        time.sleep(arguments.interval)
        found = [dataclasses.asdict(instance)
                 for instance in _choose(poll(), arguments)]
        if arguments.once:
            print(json.dumps(found))
            return
        now = datetime.datetime.now(datetime.timezone.utc)
        print(json.dumps({"time": now.isoformat(timespec="seconds"),
                          "host": conf.host, "instances": found}), flush=True)


def _is_terminal():
    """Whether there is a terminal for keys and a screen."""
    with contextlib.suppress(curses.error):
        if sys.stdin.isatty() and sys.stdout.isatty():
            curses.setupterm()
            return curses.tigetstr("cup") is not None
    return False


class Screen:
    """What is on the screen, and what keys change of it."""

    def __init__(self, title: str, sort: str, pattern: str) -> None:
        self.instances: list[instances.Instance] = []
        self.encoding = "utf-8"
        self._title = title
        self._problem = ""
        self._polled_at = ""
        self._sort = sort
        self._is_reversed = False
        self._pattern = pattern
        self._typing = False
        self._first = 0

    def take(self, result: list[instances.Instance] | Exception) -> None:
        """Show what a poll returned or raised."""
        self._polled_at = time.strftime("%H:%M:%S")
        if isinstance(result, Exception):
            self.instances, self._problem = [], str(result)
        else:
            self.instances, self._problem = result, ""

    def press(self, key: str | int) -> bool:
        """Do what a key is for.

        :param key: as ``curses`` returns it
        :returns: whether to go on
        """
        if self._typing:
            self._type(key)
        elif key in KEYS:
            self._sort = KEYS[key]
        elif key == "r":
            self._is_reversed = not self._is_reversed
        elif key == "/":
            self._typing = True
        elif key == _ESCAPE:
            self._pattern = ""
        elif key in _SCROLLS:
            self._first = max(0, self._first + _SCROLLS[key])
        return self._typing or key != "q"

    def _type(self, key):
        if key == _ESCAPE:
            self._pattern = ""
        if key in (_ESCAPE, *_ENTER):
            self._typing = False
        elif key in _ERASE:
            self._pattern = self._pattern[:-1]
        elif isinstance(key, str) and key.isprintable():
            self._pattern += key
        self._first = 0

    def draw(self, height: int, width: int) -> list[tuple[str, int]]:
        """The lines of the screen, each with its ``curses`` attribute."""
        chosen = instances.choose(self.instances, self._sort,
                                  self._is_reversed, self._pattern)
        room = max(1, height - _OTHER_LINES)
        self._first = max(0, min(self._first, len(chosen) - room))
        shown = chosen[self._first:self._first + room]
        table = instances.make_table(shown, width, self.encoding)
        attributes = [curses.A_BOLD] * instances.HEADING_LINES + [
            curses.A_NORMAL if instance.state in ("running", "active")
            else curses.A_DIM for instance in shown]
        lines = [(self._header(chosen, shown), curses.A_NORMAL),
                 (self._problem, curses.A_BOLD), ("", curses.A_NORMAL),
                 *zip(table, attributes, strict=True)]
        blank = [("", curses.A_NORMAL)] * (height - len(lines) - 1)
        footer = ("filter: %s_   Enter keeps it, Esc removes it"
                  % self._pattern if self._typing else _FOOTER)
        return [*lines[:height - 1], *blank, (footer, curses.A_REVERSE)]

    def _header(self, chosen, shown):
        parts = ["%s: %d instances" % (self._title, len(self.instances)),
                 self._polled_at]
        if self._pattern:
            parts.append("%d with %s" % (len(chosen), self._pattern))
        if len(shown) < len(chosen):
            parts.append("%d to %d shown" % (
                self._first + 1, self._first + len(shown)))
        return "   ".join([*parts, "by " + self._sort + (
            ", reversed" if self._is_reversed else "")])


def _run_live(screen, poll, interval_seconds):
    """Show instances until a key or a signal; then restore the terminal."""
    # What raises now ends the command, and later on is shown.
    screen.take(poll())
    results: queue.SimpleQueue = queue.SimpleQueue()
    threading.Thread(target=_poll_on, args=(poll, interval_seconds, results),
                     daemon=True).start()
    for number in signal.SIGTERM, signal.SIGHUP:
        if signal.getsignal(number) != signal.SIG_IGN:  # as nohup has it
            signal.signal(number, lambda number, _: sys.exit(128 + number))
    curses.set_escdelay(_ESCAPE_MILLISECONDS)
    curses.wrapper(_show, screen, results)


def _poll_on(poll, interval_seconds, results):
    pause = min(interval_seconds, _FIRST_INTERVAL_SECONDS)
    while True:
        time.sleep(pause)
        begin = time.monotonic()
        try:
            results.put(poll())
        except Exception as e:
            results.put(e)
        pause = max(0.0, begin + interval_seconds - time.monotonic())


def _show(window, screen, results):
    """Paint the screen for each key and each poll, until one ends it."""
    with contextlib.suppress(curses.error):  # not in each terminal
        curses.use_default_colors()
        curses.curs_set(0)
    window.timeout(_WAKE_MILLISECONDS)
    screen.encoding = window.encoding
    key: str | int | None = curses.KEY_RESIZE
    while sys.stdin.isatty() and (key is None or screen.press(key)):
        if not results.empty():
            screen.take(results.get())
            key = key or curses.KEY_RESIZE
        if key is not None:
            _paint(window, screen.draw(*window.getmaxyx()))
        try:
            key = window.get_wch()
        except curses.error:
            key = None  # none in this time


def _paint(window, lines):
    window.erase()
    for y, (text, attribute) in enumerate(lines):
        # Unlike addstr, it may fill the last line to its end.
        window.insstr(y, 0, text.encode(
            window.encoding, "replace").decode(window.encoding), attribute)
    window.refresh()
