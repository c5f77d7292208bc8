"""Trial tables of people: learning curves, savings with intervals and tests, and forecasts of models."""
