"""What runs inside Elliot: models that hand it our engine's lists, or a recommender fitted on its data."""
