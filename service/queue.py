"""The entries that wait for a batch, and how batches are formed of them."""

import threading
from collections import deque
from itertools import islice

from mirage.service.entry import Entry, Piece

TURNS = 4  # of entries in a batch: so a small one goes whole, and soon, beside large ones


class Queue:
    """Entries in the order in which their turns come. Hold `lock` whenever you call it."""

    def __init__(self, max_batch_size: int) -> None:
        self.lock = threading.Lock()
        self.waiting = 0  # items that no batch has taken yet
        self.closed = False
        self._entries: deque[Entry] = deque()
        self._turn = max_batch_size // TURNS  # items that an entry has in a batch beside others
        self._large = 0  # entries of more than one turn that are not answered

    def __len__(self) -> int:
        """The entries for which there may be something to do."""
        return len(self._entries)

    def append(self, entry: Entry) -> None:
        """Let an entry wait."""
        self._entries.append(entry)
        self.waiting += entry.size
        self._large += self._is_large(entry)

    def withdraw(self, entry: Entry) -> None:
        """Let nothing of an entry wait any longer."""
        self.waiting -= entry.waiting
        entry.waiting = 0

    def drop(self, pieces: list[Piece]) -> None:
        """Let nothing wait any longer of the entries of a batch that failed."""
        for piece in pieces:
            self.withdraw(piece.entry)

    def leave(self, entry: Entry) -> None:
        """Note that an entry's caller goes, answered or not."""
        self.withdraw(entry)
        self._large -= self._is_large(entry)

    def items_until(self, size: int) -> int:
        """The items that are made until an entry of `size` items that comes now is answered.

        Entries take turns, so each one ahead delays it by its own size or one turn at most.
        """
        if not self._large:  # none is over its turn, so it is all that waits
            return size + self.waiting
        ahead = max(size, self._turn)
        return size + sum(min(entry.waiting, ahead) for entry in self._entries)

    def oldest(self) -> float | None:
        """When the entry came that waits longest."""
        return min((entry.arrived for entry in self._entries if entry.waiting), default=None)

    def form(self, room: int, now: float) -> list[Piece]:
        """Take the next batch, an equal share of each entry in turn; drop the dead ones."""
        alive = (entry for entry in self._entries if not entry.gone(now))
        share = max(1, room // max(1, len(list(islice(alive, TURNS)))))
        pieces = []
        while self._entries:  # but for those that are gone, no further than there is room
            entry = self._entries.popleft()
            if entry.gone(now):
                continue
            if not room:
                self._entries.appendleft(entry)
                break
            piece = entry.take(min(share, room), now)
            if entry.waiting:
                self._entries.append(entry)
            pieces.append(piece)
            room -= piece.size
            self.waiting -= piece.size
        return pieces

    def _is_large(self, entry: Entry) -> bool:
        return entry.size > self._turn
