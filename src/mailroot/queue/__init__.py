"""Queue rules: what an entry is, what an attempt changes, when the next one is due. Pure; the stores are in `edge`."""
