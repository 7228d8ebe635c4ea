"""Helpers that are public because PyZMQ's are."""
