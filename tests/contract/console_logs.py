"""What every ``IConsoleLogs`` does."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cm.interfaces.node import INode
from cm.rpc.errors import VolumeNotFound
from cm.rules.names import CONSOLE_DIRECTORY

LOG = f"{CONSOLE_DIRECTORY}/vm-00000000-0000-4000-8000-000000000001-console.log"
MIB = 2**20


class ConsoleLogsContract:
    """On what ``make`` gives; ``write`` is a guest's or its log daemon's doing."""

    def make(self) -> INode:
        raise NotImplementedError

    def write(self, node: INode, path: str, content: bytes) -> None:
        raise NotImplementedError

    def there(self, node: INode) -> set[str]:
        """The paths of all logs."""
        raise NotImplementedError

    @pytest.fixture()
    def keeper(self) -> Iterator[INode]:
        node = self.make()
        node.console_logs.ensure(CONSOLE_DIRECTORY)
        yield node
        node.close()

    def test_read(self, keeper: INode) -> None:
        """The end of a log is given as it is, however long both are; an absent log is told."""
        with pytest.raises(VolumeNotFound) as caught:
            keeper.console_logs.read_tail(LOG, 10)
        assert LOG.rpartition("/")[2] in str(caught.value)
        self.write(keeper, LOG, b"")
        assert keeper.console_logs.read_tail(LOG, 10) == b""
        whole = b"".join(b"line %d\n" % number for number in range(5000))
        self.write(keeper, LOG, whole)
        for limit in (0, 1, 511, 4097, len(whole), len(whole) + 1):
            assert keeper.console_logs.read_tail(LOG, limit) == whole[len(whole) - min(limit, len(whole)) :]
        keeper.console_logs.delete(LOG)

    def test_delete(self, keeper: INode) -> None:
        """What was put aside of a log goes with it, and no other; a repeat is no error."""
        other = LOG.replace("0001", "0002")
        for path in (LOG, f"{LOG}.0", f"{LOG}.1", other):
            self.write(keeper, path, b"something")
        for _ in range(2):
            keeper.console_logs.delete(LOG)
            assert self.there(keeper) == {other}
        self.write(keeper, f"{other}.0", b"the log itself was lost")
        keeper.console_logs.delete(other)
        assert self.there(keeper) == set()

    def test_ensure(self, keeper: INode) -> None:
        """Is repeatable, also over another connection, and leaves logs alone; nothing of it is left to be seen."""
        self.write(keeper, LOG, b"kept")
        again = self.make()
        again.console_logs.ensure(CONSOLE_DIRECTORY)
        again.close()
        assert keeper.console_logs.read_tail(LOG, 10) == b"kept"
        keeper.console_logs.delete(LOG)
        assert list(keeper.hypervisor.domains()) == []
