"""Items that nobody has rated: held out to measure what simulated clicks on them are worth."""
