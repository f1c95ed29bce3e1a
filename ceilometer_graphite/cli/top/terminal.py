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


"""A terminal's keys, and its signals."""

import contextlib
import os
import re
import signal
import sys
import termios
import tty

_ENDING = signal.SIGINT, signal.SIGTERM, signal.SIGHUP
_KEY = re.compile(r"\x1b(?:\[[0-9;]*[A-Za-z~]|O[A-Z])|.", re.DOTALL)


def split_keys(data):
    """The keys that bytes of a terminal stand for."""
    return _KEY.findall(data.decode(errors="ignore"))


class Keys:
    """The keyboard, key by key, and the terminal as it was afterwards."""

    def __init__(self):
        self._before = termios.tcgetattr(sys.stdin)

    def take(self):
        tty.setcbreak(sys.stdin, termios.TCSANOW)

    def give_back(self):
        termios.tcsetattr(sys.stdin, termios.TCSANOW, self._before)

    def __enter__(self):
        self.take()
        return self

    def __exit__(self, *exc_info):
        self.give_back()

    def read(self):
        """The keys that were pressed; one that quits without a terminal."""
        data = os.read(sys.stdin.fileno(), 1024)
        return split_keys(data) if data else ["q"]


@contextlib.contextmanager
def signals():
    """A pipe that signals write their numbers to, and do nothing else.

    None of them interrupts what is drawn: the terminal would be left as that
    has it. One that was ignored before, as by nohup, still is.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    before = {number: signal.signal(number, lambda *_: None)
              for number in (*_ENDING, signal.SIGTSTP, signal.SIGWINCH)
              if signal.getsignal(number) != signal.SIG_IGN}
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    try:
        yield reader, writer
    finally:
        signal.set_wakeup_fd(-1)
        for number, handler in before.items():
            signal.signal(number, handler)


def end_by(came):
    """Raise what ends a command if one of the signals that came does.

    :param came: bytes, the numbers of signals
    :raises KeyboardInterrupt: for SIGINT
    :raises SystemExit: for others, with the status that a shell has of them
    """
    for number in _ENDING:
        if number in came:
            if number == signal.SIGINT:
                raise KeyboardInterrupt
            sys.exit(128 + number)
