"""The report of finished runs: one HTML file that needs no network and no server."""
