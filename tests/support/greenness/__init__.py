"""The greenness table: for every public callable whether it may wait, and a scene in which it does.

`table` has the form of a row and the scene. Rows are added when their module is imported: in `waits` those of calls
that may wait, in `returns` those of calls that do not, in `devices`, `auth` and `ssh` those of both kinds. A public
callable without a row fails `tests/green/test_greenness.py`.
"""
