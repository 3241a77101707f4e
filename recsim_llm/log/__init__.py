"""The run log: the only room that writes and reads run folders."""
