"""How Elliot 0.3.1 names a model by its hyper-parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Parameter(NamedTuple):
    """One hyper-parameter in a model's name."""

    key: str
    """Its key in the recipe."""
    short: str
    """How the name abbreviates it."""
    default: Any
    """Elliot's default."""
    blank: bool = False
    """Whether nothing is written for a value that is off."""


TRAINING = (Parameter("seed", "seed", 42), Parameter("epochs", "e", 2), Parameter("batch_size", "bs", -1))
LOADER = Parameter("loader", "load", "VisualAttributes")
BATCH_EVAL = Parameter("batch_eval", "be", 512)
NEIGHBOURS = (
    Parameter("neighbors", "nn", 40),
    Parameter("similarity", "sim", "cosine"),
    Parameter("implementation", "imp", "standard"),
    Parameter("implicit", "bin", False),
    Parameter("shrink", "shrink", 0),
    Parameter("normalize", "norm", True),
    Parameter("asymmetric_alpha", "asymalpha", False, blank=True),
    Parameter("tversky_alpha", "tvalpha", False, blank=True),
    Parameter("tversky_beta", "tvbeta", False, blank=True),
    Parameter("row_weights", "rweights", None, blank=True),
)


def _same(defaults: Mapping[str, Any]) -> tuple[Parameter, ...]:
    """Parameters that the name does not abbreviate."""
    return tuple(Parameter(key, key, default) for key, default in defaults.items())


PARAMETERS: dict[str, tuple[Parameter, ...]] = {
    "MostPop": (),
    "Random": (Parameter("random_seed", "seed", 42),),
    "ItemKNN": NEIGHBOURS,
    "UserKNN": NEIGHBOURS,
    "BPRMF": (
        *TRAINING,
        Parameter("factors", "f", 10),
        Parameter("lr", "lr", 0.05),
        Parameter("bias_regularization", "bias_reg", 0),
        Parameter("user_regularization", "u_reg", 0.0025),
        Parameter("positive_item_regularization", "pos_i_reg", 0.0025),
        Parameter("negative_item_regularization", "neg_i_reg", 0.00025),
        Parameter("update_negative_item_factors", "up_neg_i_f", True),
        Parameter("update_users", "up_u", True),
        Parameter("update_items", "up_i", True),
        Parameter("update_bias", "up_b", True),
    ),
    "VBPR": (
        *TRAINING,
        BATCH_EVAL,
        *_same({"factors": 100, "factors_d": 20, "lr": 0.0005, "l_w": 0.000025, "l_b": 0, "l_e": 0.002}),
        LOADER,
    ),
    "AMR": (
        *TRAINING,
        BATCH_EVAL,
        *_same({"factors": 200, "factors_d": 20, "lr": 0.001, "l_w": 0.1, "l_b": 0.001, "l_e": 0.1}),
        *_same({"eps": 0.1, "l_adv": 0.001, "eps_iter": None, "nb_iter": 1}),
        Parameter("adversarial_epochs", "adv_epochs", None),
        LOADER,
    ),
    "DeepStyle": (*TRAINING, BATCH_EVAL, *_same({"factors": 100, "lr": 0.0005, "l_w": 0.000025}), LOADER),
    "DVBPR": (
        *TRAINING,
        BATCH_EVAL,
        *_same({"factors": 100, "lr": 0.0001, "lambda_1": 0.0001, "lambda_2": 1.0}),
        LOADER,
    ),
    "ACF": (
        *TRAINING,
        *_same({"factors": 100, "lr": 0.0005, "l_w": 0.000025}),
        *_same({"layers_component": (64, 1), "layers_item": (64, 1)}),
        LOADER,
    ),
    "VNPR": (
        *TRAINING,
        BATCH_EVAL,
        *_same({"lr": 0.001, "l_w": 0.001, "l_v": 0.001}),
        Parameter("mf_factors", "mffactors", 10),
        Parameter("mlp_hidden_size", "mlpunits", (32, 1)),
        Parameter("dropout", "drop", 0.2),
        LOADER,
    ),
}
"""Model -> its hyper-parameters in the order of Elliot's name."""


def elliot_name(model: str, configuration: Mapping[str, Any]) -> str:
    """``ItemKNN_nn=20_sim=cosine_...``: the model, then every hyper-parameter, decimal points as ``$``.

    Args:
        model: a key of ``PARAMETERS``; any other model is named by its configuration as it stands.
        configuration: hyper-parameters by their recipe keys; what is absent has Elliot's default. Elliot's
            models replace a ``batch_size`` below 1 by a number of users or interactions, and its BPRMF any by
            1: give the one that was used.
    """
    settings = {key: value for key, value in configuration.items() if key not in ("meta", "name")}
    parameters = PARAMETERS.get(model)
    if parameters is None:
        parameters = tuple(Parameter(key, key, None) for key in settings)
    if model == "AMR":
        settings.setdefault("adversarial_epochs", int(settings.get("epochs", 2)) // 2)
    written = [f"{p.short}={_value(settings.get(p.key, p.default), p.blank)}" for p in parameters]
    return "_".join([model, *written])


def _value(value: Any, blank: bool) -> str:
    if blank and not value:
        return ""
    if isinstance(value, list | tuple):
        return "-".join(map(str, value))
    return str(value).replace(".", "$")
