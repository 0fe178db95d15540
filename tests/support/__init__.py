"""What several tests share: builders of valid events, and naive models to compare the program with."""
