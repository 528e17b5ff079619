"""Errors of the lake.

```
LakeError
├── UnwritableLakeError       full disk, missing permissions, a file in place of a directory
│   └── UnreachableLakeError  an object store does not answer, or refuses the credentials
├── RowsWouldVanishError      a re-read would replace landed rows by nothing (decision 5)
├── OtherSourceError          a landed day comes from another account, site or time zone
└── NotLandedError            a requested file is not landed
```
"""


class LakeError(Exception):
    """Base of the lake's errors; landed files stay as they were."""


class UnwritableLakeError(LakeError):
    """The lake cannot be written; no partial file remains."""


class UnreachableLakeError(UnwritableLakeError):
    """The object store does not answer or refuses the credentials; says nothing about its files."""


class RowsWouldVanishError(LakeError):
    """An empty table would replace landed rows."""


class OtherSourceError(LakeError):
    """A landed day of another account, site or time zone would be replaced."""


class NotLandedError(LakeError):
    """A requested partition is not landed."""
