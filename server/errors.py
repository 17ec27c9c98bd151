"""The exceptions of the server. Each carries one sentence: what is wrong, where, and what to do.

::

    ServerError                 exit status 1
    ├── Tampered                the audit trail is not what was written
    ├── StartError              exit status 2: the environment or an option is not as needed
    │   └── DirectoryLocked     another server works in the data directory
    └── JournalError
        ├── Fenced              somebody else has the right to append
        ├── Full                no room; the batch is not in the journal
        ├── Fatal               the fate of the batch is unknown: end the process, recover from disk
        └── Corrupt             what is stored cannot be trusted
"""

import errno

NO_ROOM = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG))
"""Faults of a disk that room would mend: it is full, or a quota or a limit on the size of files is reached."""


class ServerError(Exception):
    """Something that the server cannot repair by itself. `str()` is a sentence for the operator."""

    exit_status = 1


class StartError(ServerError):
    """The server cannot start in this environment, or with these options."""

    exit_status = 2


class DirectoryLocked(StartError):
    """Another process works in the data directory."""


class Tampered(ServerError):
    """The audit trail is not what was written. `str()` says where."""


class JournalError(ServerError):
    """The journal cannot do what was asked."""


class Fenced(JournalError):
    """The append was refused: another epoch holds, or the tail is not where the writer believes."""


class Full(JournalError):
    """There is no room. The batch was not stored, and all earlier ones can be read."""


class Fatal(JournalError):
    """Reading or writing failed in a way that leaves the fate of the batch unknown."""


class Corrupt(JournalError):
    """A record is damaged, missing, out of order, or of a format that this version does not know."""
