"""The embedded queue on SQLite."""
