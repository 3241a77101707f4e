"""What changes while a run goes on: time, what users come for, and what happens to them and to the items."""
