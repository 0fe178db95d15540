"""What is measured, judged and shown: histograms, readings, metrics, verdicts, pages and reports."""
