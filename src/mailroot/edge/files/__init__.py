"""Files and folders: what is synced stays, what appears is whole."""
