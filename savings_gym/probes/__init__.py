"""Probes: the eight centre-out reaches that measure any policy without teaching it anything."""
