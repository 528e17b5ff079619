"""What can go wrong on the way to disk, or to an object store.

```
LakeError
├── UnwritableLakeError       full disk, missing rights, a folder that is a file
│   └── UnreachableLakeError  an object store that stays away, or refuses us: nothing can be said of what is in it
├── RowsWouldVanishError      a re-read would replace landed rows by nothing (decision 5)
├── OtherSourceError          a landed day comes from another account, site or time zone
└── NotLandedError            a file that is asked for has not been landed
```
"""


class LakeError(Exception):
    """Base of the lake's errors; what was landed before stays as it was."""


class UnwritableLakeError(LakeError):
    """The lake cannot be written; nothing half-written stays behind."""


class UnreachableLakeError(UnwritableLakeError):
    """The object store does not answer, or refuses the credentials; not to be taken for a damaged or missing file."""


class RowsWouldVanishError(LakeError):
    """A landed day that has rows would become an empty one; refused."""


class OtherSourceError(LakeError):
    """A landed day of another account, site or time zone would be replaced; refused."""


class NotLandedError(LakeError):
    """A partition is read that nobody has landed."""
