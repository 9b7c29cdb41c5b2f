"""What belongs to whom, of the things that Gradio itself hands to whoever names them: the session of an open page,
and files. It lasts as long as this process, as they do.
"""

import re
from collections import OrderedDict
from collections.abc import Hashable

SESSION_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
SESSIONS_EACH, FILES_EACH = 200, 2000


class Belongings:
    """`owner` is a user with a role: who has changed role begins with a page of its own."""

    def __init__(self) -> None:
        self._owners: dict[str, Hashable] = {}
        self._sessions: dict[Hashable, OrderedDict[str, None]] = {}
        self._files: dict[Hashable, OrderedDict[str, None]] = {}

    def claim(self, session: object, owner: Hashable) -> bool:
        """Whether this page's session is the owner's; nobody's becomes theirs."""
        if not isinstance(session, str) or not SESSION_NAME.fullmatch(session):
            return False
        if self._owners.setdefault(session, owner) != owner:
            return False
        for old in _touch(self._sessions.setdefault(owner, OrderedDict()), session, SESSIONS_EACH):
            del self._owners[old]
        return True

    def give(self, path: str, owner: Hashable) -> None:
        """This file was uploaded by the owner, or made for them. The same content may be several people's."""
        _touch(self._files.setdefault(owner, OrderedDict()), path, FILES_EACH)

    def has(self, path: object, owner: Hashable) -> bool:
        return path in self._files.get(owner, ())


def _touch(kept: OrderedDict[str, None], key: str, most: int) -> list[str]:
    """Put it last; returns what had to make room."""
    kept[key] = None
    kept.move_to_end(key)
    return [kept.popitem(last=False)[0] for _ in range(len(kept) - most)]
