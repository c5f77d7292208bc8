"""Whether runs survive kills, full disks and read-only folders, and refuse damaged files."""
