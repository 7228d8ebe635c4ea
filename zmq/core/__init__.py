"""The binding: one 0MQ object per module. Imports no event loop and no green framework."""
