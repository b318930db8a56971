"""Regular expressions of lists, as Go's regexp reads them (RE2): matched in time that the text's length bounds.

Python's own ``re`` may take for ever with an expression that was made for it, and a list comes from somebody else.
Here an expression becomes states; all that can be reached are followed at once, one step for each letter.
Source: the syntax of RE2. Left out, and refused by name: ``\\p`` classes and ``\\C``; RE2 itself has no look-around
and no backward references.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from airferry.errors import MalformedError

_MOST_STATES: Final = 1000
_MOST_REPEATS: Final = 1000
_MOST_NESTED: Final = 100

Letter = Callable[[str], bool]
"""Whether a letter is one that a state takes."""

_PERL: Final[dict[str, Letter]] = {
    "d": lambda letter: letter in "0123456789",
    "s": lambda letter: letter in "\t\n\f\r ",
    "w": lambda letter: letter == "_" or (letter.isascii() and letter.isalnum()),
}
_POSIX: Final[dict[str, Letter]] = {
    "alnum": lambda letter: letter.isascii() and letter.isalnum(),
    "alpha": lambda letter: letter.isascii() and letter.isalpha(),
    "digit": _PERL["d"],
    "lower": lambda letter: "a" <= letter <= "z",
    "upper": lambda letter: "A" <= letter <= "Z",
    "space": lambda letter: letter in "\t\n\v\f\r ",
    "word": _PERL["w"],
    "xdigit": lambda letter: letter in "0123456789abcdefABCDEF",
    "punct": lambda letter: letter.isascii() and letter.isprintable() and not letter.isalnum() and letter != " ",
}
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v", "a": "\a"}


@dataclass(slots=True)
class _State:
    """A place in the expression: ``takes`` a letter and goes to ``to``, or goes there without one where ``at`` holds.

    ``at`` is "" for everywhere, else ``^``, ``$``, ``b`` or ``B``.
    """

    takes: Letter | None = None
    at: str = ""
    to: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True, eq=False)
class Regular:
    """An expression, ready to be looked for in short texts such as tags."""

    text: str
    states: tuple[_State, ...]
    start: int
    end: int

    @classmethod
    def parse(cls, text: str) -> "Regular":
        """Return the expression. Raises MalformedError where RE2 would refuse it, or the program gets too large."""
        parser = _Parser(text)
        first, last = parser.whole()
        return cls(text, tuple(parser.states), first, last)

    def found_in(self, text: str) -> bool:
        """Whether the expression matches anywhere in ``text``, as Go's MatchString does."""
        current: set[int] = set()
        for position in range(len(text) + 1):
            current.add(self.start)
            current = self._spread(current, text, position)
            if self.end in current:
                return True
            if position < len(text):
                current = self._step(current, text[position])
        return False

    def _spread(self, states: set[int], text: str, position: int) -> set[int]:
        """Add what can be reached from ``states`` without a letter."""
        found, waiting = set(states), list(states)
        while waiting:
            state = self.states[waiting.pop()]
            if state.takes is not None or not _holds(state.at, text, position):
                continue
            for target in state.to:
                if target not in found:
                    found.add(target)
                    waiting.append(target)
        return found

    def _step(self, states: set[int], letter: str) -> set[int]:
        following: set[int] = set()
        for number in states:
            state = self.states[number]
            if state.takes is not None and state.takes(letter):
                following.update(state.to)
        return following


def _holds(at: str, text: str, position: int) -> bool:
    if at == "^":
        return position == 0
    if at == "$":
        return position == len(text)
    if at in ("b", "B"):
        word = _PERL["w"]
        before = position > 0 and word(text[position - 1])
        after = position < len(text) and word(text[position])
        return (before != after) is (at == "b")
    return True


_Piece = tuple[int, int]
"""The first and the last state of a part of the expression."""


class _Parser:
    """Reads an expression from left to right into states."""

    def __init__(self, text: str) -> None:
        self.states: list[_State] = []
        self._text = text
        self._at = 0
        self._depth = 0
        self._ignores_case = False

    def whole(self) -> _Piece:
        piece = self._alternatives()
        if self._at < len(self._text):
            raise self._wrong("an unmatched )")
        return piece

    def _wrong(self, what: str) -> MalformedError:
        shown = self._text if len(self._text) <= 200 else self._text[:200] + "…"
        return MalformedError(
            f"{shown!r} is not a regular expression: {what}",
            hint="write it as for Go (RE2); a dot is any letter, \\. a dot",
        )

    def _peek(self) -> str:
        return self._text[self._at] if self._at < len(self._text) else ""

    def _take(self) -> str:
        letter = self._peek()
        if not letter:
            raise self._wrong("it ends too early")
        self._at += 1
        return letter

    def _took(self, wanted: str) -> bool:
        if self._text.startswith(wanted, self._at):
            self._at += len(wanted)
            return True
        return False

    def _state(self, takes: Letter | None = None, at: str = "") -> int:
        if len(self.states) >= _MOST_STATES:
            raise self._wrong("it is too large")
        self.states.append(_State(takes, at))
        return len(self.states) - 1

    def _link(self, first: int, *following: int) -> None:
        self.states[first].to.extend(following)

    def _alternatives(self) -> _Piece:
        self._depth += 1
        if self._depth > _MOST_NESTED:
            raise self._wrong("it is nested too deeply")
        pieces = [self._sequence()]
        while self._took("|"):
            pieces.append(self._sequence())
        self._depth -= 1
        if len(pieces) == 1:
            return pieces[0]
        first, last = self._state(), self._state()
        for start, end in pieces:
            self._link(first, start)
            self._link(end, last)
        return first, last

    def _sequence(self) -> _Piece:
        first = last = self._state()
        while self._peek() and self._peek() not in "|)":
            start, end = self._repeated()
            self._link(last, start)
            last = end
        return first, last

    def _repeated(self) -> _Piece:
        begin = self._at
        if self._peek() in ("*", "+", "?"):
            raise self._wrong(f"nothing is there for {self._peek()} to repeat")
        piece = self._atom()
        end, repeats = self._at, 0
        while (times := self._times()) is not None:
            repeats += 1
            if repeats > 1:
                raise self._wrong("a repetition is repeated")
            piece = self._repeat(piece, times, begin, end)
            self._took("?")  # lazy or greedy: whether it matches is the same
        return piece

    def _times(self) -> tuple[int, int | None] | None:
        for sign, times in (("*", (0, None)), ("+", (1, None)), ("?", (0, 1))):
            if self._took(sign):
                return times
        close = self._text.find("}", self._at)
        if self._peek() != "{" or close < 0:
            return None
        low, comma, high = self._text[self._at + 1 : close].partition(",")
        if not (low.isascii() and low.isdecimal()) or (high and not (high.isascii() and high.isdecimal())):
            return None  # then the brace is a letter
        if max(len(low), len(high)) > 4 or int(low) > _MOST_REPEATS or int(high or 0) > _MOST_REPEATS:
            raise self._wrong(f"more than {_MOST_REPEATS} repetitions")
        most = int(high) if high else None if comma else int(low)
        if most is not None and most < int(low):
            raise self._wrong("a repetition from more to less")
        self._at = close + 1
        return int(low), most

    def _repeat(self, piece: _Piece, times: tuple[int, int | None], begin: int, end: int) -> _Piece:
        """Chain copies of what stands from ``begin`` to ``end``; it is read again for each."""
        least, most = times
        first, last = self._state(), self._state()
        at, unused = first, True
        for number in range(least if most is None else most):
            start, stop = piece if unused else self._again(begin, end)
            unused = False
            if number >= least:
                self._link(at, last)
            self._link(at, start)
            at = stop
        if most is None:
            start, stop = piece if unused else self._again(begin, end)
            loop = self._state()
            self._link(at, loop)
            self._link(loop, start, last)
            self._link(stop, loop)
        else:
            self._link(at, last)
        return first, last

    def _again(self, begin: int, end: int) -> _Piece:
        here, self._at = self._at, begin
        piece = self._atom()
        assert self._at == end, "the same text is read the same way"
        self._at = here
        return piece

    def _atom(self) -> _Piece:
        letter = self._take()
        if letter == "(":
            return self._group()
        if letter == "[":
            return self._one(self._set())
        if letter == ".":
            return self._one(lambda found: found != "\n")
        if letter in "^$":
            return self._nowhere(letter)
        if letter == "\\":
            return self._escaped()
        return self._one(self._letter(letter))

    def _one(self, takes: Letter) -> _Piece:
        first, last = self._state(takes), self._state()
        self._link(first, last)
        return first, last

    def _nowhere(self, at: str) -> _Piece:
        first, last = self._state(at=at), self._state()
        self._link(first, last)
        return first, last

    def _letter(self, letter: str) -> Letter:
        if self._ignores_case:
            return lambda found: found.lower() == letter.lower()
        return lambda found: found == letter

    def _group(self) -> _Piece:
        ignored = self._ignores_case
        if self._took("?"):
            name = self._took("P<") or self._took("<")
            stop = ">" if name else ":)"
            word = ""
            while self._peek() and self._peek() not in stop:
                word += self._take()
            sign = self._take()
            if name and not (word and all(map(_PERL["w"], word))):
                raise self._wrong("a group has no name that is one")
            if not name and not set(word) <= set("imsU-"):
                raise self._wrong(f"(?{word[:10]} is not known")
            if not name:
                on, _, off = word.partition("-")
                self._ignores_case = ("i" in on or ignored) and "i" not in off
                if sign == ")":  # for the rest of the group around it
                    first = self._state()
                    return first, first
        piece = self._alternatives()
        self._ignores_case = ignored
        if not self._took(")"):
            raise self._wrong("a missing )")
        return piece

    def _escaped(self) -> _Piece:
        letter = self._take()
        if letter in "AzbB":
            return self._nowhere({"A": "^", "z": "$"}.get(letter, letter))
        if letter == "Q":
            return self._quoted()
        return self._one(self._escape(letter))

    def _quoted(self) -> _Piece:
        first = last = self._state()
        while self._peek() and not self._took("\\E"):
            start, end = self._one(self._letter(self._take()))
            self._link(last, start)
            last = end
        return first, last

    def _escape(self, letter: str) -> Letter:
        if letter.lower() in _PERL:
            takes = _PERL[letter.lower()]
            return takes if letter.islower() else lambda found: not takes(found)
        return self._letter(self._plain(letter))

    def _plain(self, letter: str) -> str:
        """Return the letter that ``\\`` and ``letter`` stand for."""
        if letter == "x":
            digits = self._hexadecimal()
            if not digits or len(digits) > 6 or int(digits, 16) > 0x10FFFF:
                raise self._wrong("\\x needs hexadecimal digits")
            return chr(int(digits, 16))
        if letter in _ESCAPES:
            return _ESCAPES[letter]
        if letter.isascii() and letter.isalnum():
            raise self._wrong(f"\\{letter} is not known")
        return letter

    def _hexadecimal(self) -> str:
        if self._took("{"):
            digits = ""
            while not self._took("}"):
                digits += self._take()
        else:
            digits = self._take() + self._take()
        return digits if all(_POSIX["xdigit"](digit) for digit in digits) else ""

    def _set(self) -> Letter:
        is_negated = self._took("^")
        parts: list[Letter] = []
        is_first = True
        while is_first or self._peek() != "]":
            parts.append(self._set_part())
            is_first = False
        self._take()
        if self._ignores_case:
            return lambda found: any(part(found.lower()) or part(found.upper()) for part in parts) is not is_negated
        return lambda found: any(part(found) for part in parts) is not is_negated

    def _set_part(self) -> Letter:
        if self._took("[:"):
            end = self._text.find(":]", self._at)
            name = self._text[self._at : end] if end >= 0 else ""
            takes = _POSIX.get(name.removeprefix("^"))
            if takes is None:
                raise self._wrong(f"[:{name[:20]}:] is not known")
            self._at = end + 2
            return takes if not name.startswith("^") else lambda found: not takes(found)
        letter = self._take()
        if letter == "\\":
            letter = self._take()
            if letter.lower() in _PERL:
                return self._escape(letter)
            letter = self._plain(letter)
        if self._peek() != "-" or self._text[self._at + 1 : self._at + 2] in ("]", ""):
            return lambda found: found == letter
        self._take()
        high = self._take()
        if high == "\\":
            high = self._plain(self._take())
        if high < letter:
            raise self._wrong(f"the range {letter}-{high} ends before it begins")
        return lambda found: letter <= found <= high
