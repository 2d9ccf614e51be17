"""Description of the machine, its roofline, memory and energy."""
