"""The reaching task: settings, schedule, what is random, and the task itself over n arms."""
