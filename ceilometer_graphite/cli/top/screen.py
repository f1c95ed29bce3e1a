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

"""The live screen: instances, and what keys change of it."""

import contextlib
import curses
import os
import queue
import shutil
import signal
import sys
import threading
import time
import typing

from ceilometer_graphite.cli.top import instances
from ceilometer_graphite.cli.top import view as views

KEYS = {"c": "cpu", "m": "memory", "d": "disk", "n": "network", "N": "name"}
_FOOTER = ("q quit  c cpu  m memory  d disk  n network  N name  r reverse  "
           "/ filter")
UP, DOWN = curses.KEY_UP, curses.KEY_DOWN
_SCROLLS = {UP: -1, DOWN: 1}
_ESCAPE, _ENTER, _ERASE = "\x1b", "\r\n", ("\x7f", "\b", curses.KEY_BACKSPACE)
# Lines of the screen that are no instances: header, footer, headings.
_OTHER_LINES = views.HEADING_LINES + 4
_FIRST_INTERVAL_SECONDS = 1.0
# After which time a new poll is shown at the latest.
_WAKE_MILLISECONDS = 200
_ESCAPE_MILLISECONDS = 50


def is_possible() -> bool:
    """Whether there is a terminal for keys and a screen."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return False
    try:
        curses.setupterm()
    except curses.error:
        return False
    return curses.tigetstr("cup") is not None


def print_table(chosen: list[instances.Instance]) -> None:
    """Print instances; as wide as they are where there is no terminal."""
    width = None
    if sys.stdout.isatty() or "COLUMNS" in os.environ:
        width = shutil.get_terminal_size().columns
    print("\n".join(views.make_table(
        chosen, width, getattr(sys.stdout, "encoding", None) or "utf-8")))


class Screen:
    """What is on the screen, and what keys change of it.

    :param title: of the header
    :param sort: what instances are sorted by at first
    :param pattern: what they are filtered by at first
    """

    def __init__(self, title: str, sort: str, pattern: str) -> None:
        self.instances: list[instances.Instance] = []
        self.problem = ""
        self.polled_at = ""
        self.encoding = "utf-8"
        self._title = title
        self._sort = sort
        self._is_reversed = False
        self._pattern = pattern
        self._typing = False
        self._first = 0

    def take(self, result: list[instances.Instance] | Exception) -> None:
        """Show what a poll gave or raised."""
        self.polled_at = time.strftime("%H:%M:%S")
        if isinstance(result, Exception):
            self.instances, self.problem = [], str(result)
        else:
            self.instances, self.problem = result, ""

    def press(self, key: str | int) -> bool:
        """Do what a key is for.

        :param key: as ``curses`` gives it
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
        chosen = views.choose(self.instances, self._sort, self._is_reversed,
                              self._pattern)
        room = max(1, height - _OTHER_LINES)
        self._first = max(0, min(self._first, len(chosen) - room))
        shown = chosen[self._first:self._first + room]
        table = views.make_table(shown, width, self.encoding)
        lines = [(self._header(chosen, shown), curses.A_NORMAL),
                 (self.problem, curses.A_BOLD), ("", curses.A_NORMAL)]
        lines += [(line, curses.A_BOLD)
                  for line in table[:views.HEADING_LINES]]
        lines += [(line, curses.A_NORMAL if instance.state in (
            "running", "active") else curses.A_DIM) for line, instance in zip(
                table[views.HEADING_LINES:], shown, strict=True)]
        blank = [("", curses.A_NORMAL)] * (height - len(lines) - 1)
        return [*lines[:height - 1], *blank,
                (self._footer(), curses.A_REVERSE)]

    def _header(self, chosen, shown):
        parts = ["%s: %d instances" % (self._title, len(self.instances)),
                 self.polled_at]
        if self._pattern:
            parts.append("%d with %s" % (len(chosen), self._pattern))
        if len(shown) < len(chosen):
            parts.append("%d to %d shown" % (
                self._first + 1, self._first + len(shown)))
        return "   ".join([*parts, "by " + self._sort + (
            ", reversed" if self._is_reversed else "")])

    def _footer(self):
        if self._typing:
            return ("filter: %s_   Enter ends it, Esc takes it away"
                    % self._pattern)
        return _FOOTER


def run(screen: Screen, poll: typing.Callable[[], list[instances.Instance]],
        interval_seconds: float) -> int:
    """Show instances until a key or a signal ends it.

    The terminal is left as it was, however this ends.

    :param poll: may raise a CommandError
    :returns: the exit status
    """
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
    return 0


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
