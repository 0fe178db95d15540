"""Kafka: client settings, topics, how records are written, and the embedded Apache Kafka."""
