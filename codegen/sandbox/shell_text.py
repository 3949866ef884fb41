"""Where in a shell command a place lies: between quotes, in a comment, in a here-document...

`echo "{{ name }}"` would run what a hostile name holds if the value were simply quoted once more: within
double quotes, single quotes are letters. So the text before each value is read as a shell (POSIX sh, bash)
reads it.
"""

import re
from dataclasses import dataclass, field

from codegen.sandbox.errors import SyntaxRefusal
from codegen.sandbox.shell_state import EXPANSION, VALUE, WORDS, Heredoc, Kind, ShellState, is_begun

COMPLETES = "a value and the text beside it could make up the word that ends the here-document"
OTHER_WORD = "choose another word, or put a space or a line end between"

_HEREDOC = re.compile(r"<<(-?)[ \t]*(?:'([^'\n]+)'|\"([^\"\n]+)\"|(\\?)([\w.+-]+))(?=[\s;&|()<>])")
_NAME = re.compile(r"\$\w*")
_CASE = re.compile(r"case[ \t\n]")
_BREAKS = frozenset(" \t\n;&|()<>")


def read(state: ShellState, text: str) -> ShellState:
    """The state after some more text."""
    reader = _Reader(
        state.pending + text,
        list(state.nested),
        list(state.awaited),
        list(state.open),
        state.line,
        state.starts_word,
    )
    return reader.read()


@dataclass(slots=True)
class _Reader:
    text: str
    nested: list[Kind]
    awaited: list[Heredoc]
    open: list[Heredoc]
    line: str
    starts_word: bool | None
    pending: str = ""
    at: int = field(default=0)

    def read(self) -> ShellState:
        while self.at < len(self.text):
            kind = self.nested[-1]
            if kind in WORDS:
                self._command()
            elif kind in ("heredoc", "literal_heredoc"):
                self._document(kind)
            elif kind == "unclear":
                break
            else:
                self._enclosed(kind)
        return ShellState(
            tuple(self.nested),
            tuple(self.awaited),
            tuple(self.open),
            self.line,
            self.starts_word,
            self.pending,
        )

    def _command(self) -> None:
        character = self.text[self.at]
        begins = self.starts_word
        if self._special(character):
            return
        if character == "'":
            self._enter("single")
        elif character == "#" and begins is not False:
            self._enter("comment" if begins else "unclear")
        elif character == "(":
            self._parenthesis(begins)
        elif character == "<" and self.text.startswith("<<", self.at):
            self._less_than()
        elif begins is not False and "substitution" in self.nested and _CASE.match(self.text, self.at):
            # The ) of a case pattern can't be told from the one that ends the substitution.
            self._enter("unclear")
        else:
            self._letter(character)

    def _letter(self, character: str) -> None:
        kind = self.nested[-1]
        self.at += 1
        self.starts_word = character in _BREAKS
        if character == ")" and kind != "plain":
            self._leave()
            # `$(a)#b` is one word; whether `(a)#b` is depends on what stands before it.
            self.starts_word = None if kind == "group" else False
        elif character == "\n":
            self._begin_documents()

    def _enclosed(self, kind: Kind) -> None:
        character = self.text[self.at]
        if kind == "comment":
            self.at += character != "\n"
            if character == "\n":
                self._leave()
        elif kind == "single":
            self._until("'", character)
        elif kind == "ansi" and self.text.startswith("\\'", self.at):
            # A plain POSIX shell doesn't know $' ', and sees the end of the quotes here.
            self._enter("unclear")
        elif kind in ("ansi", "backtick"):
            self._until("'" if kind == "ansi" else "`", character) if character != "\\" else self._backslash()
        elif kind == "double":
            if character == '"' or not self._special(character):
                self._until('"', character)
        elif character == "'":
            self._enter("single" if kind == "parameter" and not self._is_quoted() else "unclear")
        elif kind == "arithmetic" and character == "(":
            self._enter("arithmetic")
        elif not self._special(character):
            self._until("}" if kind == "parameter" else ")", character)

    def _document(self, kind: Kind) -> None:
        character = self.text[self.at]
        if character == "\n":
            self.at += 1
            self._end_line()
        elif kind == "heredoc" and self._continues_line():
            # Shells differ on whether the word may be broken so.
            self._enter("unclear", 2)
        elif kind == "heredoc" and character in "\\$`" and self._special(character):
            self.line += EXPANSION
        else:
            document = self.open[-1]
            is_margin = character == "\t" and document.strips_tabs and not self.line
            if len(self.line) <= len(document.word) + 1 and not is_margin:
                self.line += character
            self.at += 1

    def _continues_line(self) -> bool:
        return self.text.startswith("\\\n", self.at) and is_begun(self.line, self.open[-1].word)

    def _special(self, character: str) -> bool:
        """What means the same in a command, in double quotes and in a here-document."""
        if character == "\\":
            self._backslash()
        elif character == "$":
            self._dollar()
        elif character == "`":
            self._enter("backtick")
        elif character == '"':
            self._enter("double")
        else:
            return False
        return True

    def _backslash(self) -> None:
        if self.at + 1 == len(self.text):
            self.pending = "\\"
        elif self.text[self.at + 1] != "\n":
            self.starts_word = False
        self.at += 2

    def _dollar(self) -> None:
        following = self.text[self.at + 1 : self.at + 3]
        is_command = self.nested[-1] in WORDS
        if following == "((":
            self._enter("arithmetic", 2)
            self._enter("arithmetic")
        elif following[:1] == "(":
            self._enter("substitution", 2)
        elif following[:1] == "{":
            self._enter("parameter", 2)
        elif following[:1] == "[" or (following[:1] == "'" and self.nested[-1] == "parameter"):
            self._enter("unclear")
        elif following[:1] in ("'", '"') and is_command:
            self._enter("ansi" if following[0] == "'" else "double", 2)
        elif following[:1] in ("#", "?", "!", "$", "@", "*", "-"):
            self.at += 2
            self.starts_word = False
        else:
            self.starts_word = False
            name = _NAME.match(self.text, self.at)
            self.at = name.end() if name else self.at + 1
            self.pending = name[0] if name and self.at == len(self.text) else ""

    def _parenthesis(self, begins: bool | None) -> None:
        if self.text.startswith("((", self.at) and begins is not False:
            self._enter("arithmetic" if begins else "unclear")
            self._enter("arithmetic")
        else:
            self._enter("group")
        self.starts_word = True

    def _less_than(self) -> None:
        found = _HEREDOC.match(self.text, self.at)
        if self.text.startswith("<<<", self.at):
            self.at += 3
            self.starts_word = True
        elif found is None:
            self._enter("unclear")
        else:
            dash, single, double, escape, bare = found.groups()
            self.awaited.append(Heredoc(single or double or bare, bool(dash), not bare or bool(escape)))
            self.at = found.end()
            self.starts_word = False

    def _begin_documents(self) -> None:
        if self.awaited:
            document = self.awaited.pop(0)
            self.open.append(document)
            self.nested.append("literal_heredoc" if document.is_literal else "heredoc")
            self.line = ""

    def _end_line(self) -> None:
        line, self.line = self.line, ""
        word = self.open[-1].word
        if line.startswith(VALUE) and line != VALUE and word.endswith(line[1:]):
            raise SyntaxRefusal(COMPLETES, OTHER_WORD)
        if line == word:
            self.open.pop()
            self._leave()
            self.starts_word = True
            self._begin_documents()

    def _is_quoted(self) -> bool:
        return any(kind in ("double", "heredoc") for kind in self.nested)

    def _until(self, end: str, character: str) -> None:
        self.at += 1
        if character == end:
            self.starts_word = None if self.nested[-1] == "arithmetic" else False
            self._leave()

    def _enter(self, kind: Kind, length: int = 1) -> None:
        self.nested.append(kind)
        self.at += length
        self.starts_word = kind in WORDS

    def _leave(self) -> None:
        self.nested.pop()
