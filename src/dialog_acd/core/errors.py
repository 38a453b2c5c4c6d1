"""Errors are nouns, carry a stable ``error_id``, and their docstring is the default message.

Two families (h11's split): what *we* did wrong raises ``OurFault``; what the wire, an administrator or a
database did wrong is classified, answered or reported, and never ends a call.
"""

from __future__ import annotations


class DialogAcdError(Exception):
    """Something in dialog-acd went wrong."""

    error_id = "internal"

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (self.__doc__ or "").strip())


class OurFault(DialogAcdError):  # noqa: N818  nouns, see above
    """A defect in dialog-acd itself."""


class IllegalTransition(OurFault):
    """The core asked for a change of state that its own table does not know."""

    error_id = "illegal-transition"


class DirectoryInvalid(DialogAcdError):  # noqa: N818
    """The directory contradicts itself; the one in force stays in force."""

    error_id = "directory-invalid"

    def __init__(self, faults: tuple[str, ...]) -> None:
        self.faults = faults
        super().__init__("The directory contradicts itself: " + "; ".join(faults))


class RuleInvalid(DialogAcdError):  # noqa: N818
    """A step or a rung that cannot be read."""

    error_id = "rule-invalid"

    def __init__(self, text: str, expected: str) -> None:
        self.text, self.expected = text, expected
        super().__init__(f"{text!r}: {expected}")
