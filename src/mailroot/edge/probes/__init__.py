"""Looks at the machine for the doctor: storage, clock, rights. Nothing here changes anything that lasts."""
