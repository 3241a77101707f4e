"""How a page is read and clicked, how long people stay and when they come back: models fitted to exposure logs."""
