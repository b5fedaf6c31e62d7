"""Held mail: asked for by ETRN, handed over on turned connections (ATRN, TURN), and collected from other servers."""
