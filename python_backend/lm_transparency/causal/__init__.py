"""Effects of units on a metric: predicted by a gradient, measured by interventions."""
