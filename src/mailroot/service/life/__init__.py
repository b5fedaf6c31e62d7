"""The life of the service: supervisor, workers, virtual servers, reloads, what operators ask."""
