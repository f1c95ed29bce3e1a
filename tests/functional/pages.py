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


"""Commands and files in the documentation."""

import dataclasses
import pathlib
import re
import textwrap

ROOT = pathlib.Path(__file__).absolute().parent.parent.parent
SOURCE = ROOT / "doc/source"
SHELLS = ("shell", "console")
_TITLE = re.compile(r"([^\n]+)\n([=\-~])\2+\n")
_BLOCK = re.compile(
    r"(?P<indent> *)\.\. code-block:: (?P<language>\S+)\n\n?"
    r"(?P<text>(?:(?P=indent) +[^\n]*\n|\n)+)")
_FILE = re.compile(r"``(/etc/[^`]+)``")


@dataclasses.dataclass(frozen=True)
class Block:
    """A block of code.

    :ivar page: the name of its page, such as ``install.rst``
    :ivar section: the title above it
    :ivar file: the last file below /etc that its section names before it,
        or None
    """

    page: str
    section: str
    language: str
    text: str
    file: str

    def script(self):
        """Return the commands that a reader types, from a shell block."""
        if self.language == "console":
            return "".join(
                line[2:] + "\n" for line in self.text.splitlines()
                if line.startswith(("# ", "$ ")))
        return self.text


def names():
    """Return the names of all pages."""
    return ["README.rst", *sorted(
        str(path.relative_to(SOURCE)) for path in SOURCE.rglob("*.rst"))]


def blocks(name):
    """Return the blocks of a page, in order."""
    path = ROOT / name if name == "README.rst" else SOURCE / name
    text = path.read_text()
    titles = [(match.end(), match[1]) for match in _TITLE.finditer(text)]
    found = []
    for match in _BLOCK.finditer(text):
        start, section = max(
            title for title in titles if title[0] <= match.start())
        files = _FILE.findall(text[start:match.start()])
        found.append(Block(
            name, section, match["language"],
            textwrap.dedent(match["text"]).strip("\n") + "\n",
            files[-1] if files else None))
    return found


def scripts(name):
    """Return the blocks of a page that contain commands."""
    return [block for block in blocks(name)
            if block.language in SHELLS and block.script()]
