"""What every part of the language room knows: questions, calls, settings, safe text."""
