"""Rules for Prometheus, made of the service objectives: recording rules, burn-rate alerts, plain alerts."""
