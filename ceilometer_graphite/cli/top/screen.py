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


"""The live screen: machines, and what keys change of it."""

import os
import select
import signal
import sys
import threading
import time

from rich import console
from rich import layout
from rich import live
from rich import text

from ceilometer_graphite.cli.top import terminal
from ceilometer_graphite.cli.top import view as views

KEYS = {"c": "cpu", "m": "memory", "d": "disk", "n": "network", "N": "name"}
_FOOTER = ("c cpu  m memory  d disk  n network  N name  r reverse  / filter  "
           "q quit")
_SCROLLS = {"\x1b[A": -1, "\x1b[B": 1, "\x1bOA": -1, "\x1bOB": 1}
_ESCAPE, _ENTER, _ERASE = "\x1b", "\r\n", "\x7f\b"
# Lines of the screen that are no machines: header, footer, the table's own.
_OTHER_LINES = 7
_FIRST_INTERVAL_SECONDS = 1.0
_WITHOUT_TERMINAL_COLUMNS = 500


def is_possible():
    """Whether there is a terminal for keys and a screen."""
    screen = console.Console()
    return (sys.stdin.isatty() and screen.is_terminal
            and not screen.is_dumb_terminal)


def print_table(machines):
    """Print machines; as wide as they are where there is no terminal."""
    screen = console.Console()
    if not screen.is_terminal and "COLUMNS" not in os.environ:
        screen.width = _WITHOUT_TERMINAL_COLUMNS
    screen.print(views.make_table(machines))


class Screen:
    """What is on the screen, and what keys change of it.

    :param view: of :mod:`~ceilometer_graphite.cli.top.view`
    :param title: of the header
    """

    def __init__(self, view, title):
        self.machines = []
        self.problem = ""
        self.polled_at = ""
        self._view = view
        self._title = title
        self._typing = False
        self._first = 0

    def press(self, key):
        """Do what a key is for.

        :returns: whether to go on
        """
        if self._typing:
            self._type(key)
        elif key in KEYS:
            self._view.sort = KEYS[key]
        elif key == "r":
            self._view.is_reversed = not self._view.is_reversed
        elif key == "/":
            self._typing = True
        elif key == _ESCAPE:
            self._view.pattern = ""
        elif key in _SCROLLS:
            self._first = max(0, self._first + _SCROLLS[key])
        return self._typing or key != "q"

    def _type(self, key):
        view = self._view
        if key == _ESCAPE:
            view.pattern = ""
        if key == _ESCAPE or key in _ENTER:
            self._typing = False
        elif key in _ERASE:
            view.pattern = view.pattern[:-1]
        elif key.isprintable():
            view.pattern += key
        self._first = 0

    def draw(self, height):
        """What to show in so many lines."""
        chosen = self._view.choose(self.machines)
        room = max(1, height - _OTHER_LINES)
        self._first = max(0, min(self._first, len(chosen) - room))
        shown = chosen[self._first:self._first + room]
        whole = layout.Layout()
        whole.split_column(
            layout.Layout(self._header(chosen, shown), size=2),
            layout.Layout(views.make_table(shown)),
            layout.Layout(text.Text(self._footer(), "reverse",
                                    no_wrap=True), size=1))
        return whole

    def _header(self, chosen, shown):
        parts = ["%s: %d machines" % (self._title, len(self.machines)),
                 self.polled_at]
        if self._view.pattern:
            parts.append("%d with %s" % (len(chosen), self._view.pattern))
        if len(shown) < len(chosen):
            parts.append("%d to %d shown" % (
                self._first + 1, self._first + len(shown)))
        parts.append("by " + self._view.sort + (
            ", reversed" if self._view.is_reversed else ""))
        return text.Text(
            "   ".join(parts) + "\n", no_wrap=True, overflow="ellipsis"
        ).append(self.problem, "bold red")

    def _footer(self):
        if self._typing:
            return "filter: %s_   Enter ends it, Esc takes it away" % (
                self._view.pattern)
        return _FOOTER


class _Poller(threading.Thread):
    """Polls once an interval, and writes to a pipe when it has."""

    def __init__(self, poll, interval_seconds, pipe):
        super().__init__(daemon=True)
        self._poll = poll
        self._interval = interval_seconds
        self._pipe = pipe
        self.result = None

    def run(self):
        pause = min(self._interval, _FIRST_INTERVAL_SECONDS)
        while True:
            time.sleep(pause)
            begin = time.monotonic()
            try:
                self.result = self._poll()
            except Exception as e:
                self.result = e
            os.write(self._pipe, b"\0")
            pause = max(0.0, begin + self._interval - time.monotonic())


def run(poll, view, interval_seconds, title):
    """Show machines until a key or a signal ends it.

    The terminal is left as it was, however this ends.

    :param poll: gives a list of machines, or raises a CommandError
    :param view: of :mod:`~ceilometer_graphite.cli.top.view`
    """
    screen = Screen(view, title)
    # What raises now ends the command, and later on is shown.
    _take(screen, poll())
    picture = live.Live(console=console.Console(), screen=True,
                        auto_refresh=False, redirect_stdout=False,
                        redirect_stderr=False)
    with terminal.signals() as (reader, writer), terminal.Keys() as keys:
        poller = _Poller(poll, interval_seconds, writer)
        poller.start()
        with picture:
            is_on = True
            while is_on:
                picture.update(screen.draw(picture.console.height),
                               refresh=True)
                ready, _, _ = select.select([sys.stdin, reader], [], [])
                if reader in ready:
                    _wake(os.read(reader, 1024), screen, picture, poller,
                          keys)
                if sys.stdin in ready:
                    is_on = all(map(screen.press, keys.read()))
    return 0


def _take(screen, result):
    screen.polled_at = time.strftime("%H:%M:%S")
    if isinstance(result, Exception):
        screen.machines, screen.problem = [], str(result)
    else:
        screen.machines, screen.problem = result, ""


def _wake(came, screen, picture, poller, keys):
    """Do what a poll or a signal asks for.

    :param came: bytes, 0 for a poll and else the number of a signal; that
        of a size only wakes
    """
    terminal.end_by(came)
    if signal.SIGTSTP in came:
        picture.stop()
        keys.give_back()
        handler = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        signal.raise_signal(signal.SIGTSTP)  # returns when it is continued
        signal.signal(signal.SIGTSTP, handler)
        keys.take()
        picture.start()
    if 0 in came:
        _take(screen, poller.result)
