"""What a process has imported before the campaign forks others from it."""

import faiss  # noqa: F401
import sklearn.manifold  # noqa: F401
import timm  # noqa: F401
import torch  # noqa: F401

import elliot_advrec.cli
import elliot_advrec.guards.scanning
import elliot_advrec.hosts.embedded
import elliot_advrec.recipe  # noqa: F401
