"""Rules: who may come in, and what may be sent where. Pure decisions: facts in, a verdict out."""
