"""The arm: its MJCF file, its constants, and what muscles and tendons do, in closed form."""
