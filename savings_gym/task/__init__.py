"""The reaching task: settings, schedule, random draws, rewards, and the task for one arm and for many."""
