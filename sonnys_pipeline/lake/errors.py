"""What can go wrong on the way to disk.

```
LakeError
├── UnwritableLakeError   full disk, missing rights, a folder that is a file
├── RowsWouldVanishError  a re-read would replace landed rows by nothing (DESIGN, decision 5)
└── NotLandedError        a file that is asked for has not been landed
```
"""


class LakeError(Exception):
    """Base of the lake's errors; what was landed before stays as it was."""


class UnwritableLakeError(LakeError):
    """The lake cannot be written; nothing half-written stays behind."""


class RowsWouldVanishError(LakeError):
    """A landed day that has rows would become an empty one; refused."""


class NotLandedError(LakeError):
    """A partition is read that nobody has landed."""
