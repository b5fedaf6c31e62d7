"""Pickup: files that programs leave become messages of the queue, each exactly once."""
