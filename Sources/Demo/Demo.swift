// The demonstration.
