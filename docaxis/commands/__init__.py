"""One file a command: options in, wiring, a result out. What they do lives in the packages below them."""
