"""The greenness table: for every public callable whether it may wait, and a scene in which it does.

`row` has the form of a row and the scene. Rows are added when their module is imported: `calls_that_wait` and
`calls_that_return` have those of sockets, contexts and pollers; `devices`, `auth` and `ssh` those of both kinds. A
public callable without a row fails `tests/green/test_greenness.py`.
"""
