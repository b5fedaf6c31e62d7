"""Tongues: every option, declared once, and the values that a settings file becomes."""
