"""Life: listeners, sessions, workers and the supervisor; the only orchestration."""
