"""Faces: the operations that an administrator has, each one a typed function."""
