"""Focus actuators and cameras by name; each module imports its library only when it is opened."""
