"""Measures: ranking quality, rates with intervals, perceptual distance, significance."""

from elliot_advrec.metrics.formulas import METRICS

#: Name of each measure in a result row -> one line about it, as ``elliot list`` prints it.
SUMMARIES: dict[str, str] = {
    **METRICS,
    "accuracy": "share of test pictures whose category is right",
    "top5_accuracy": "share of test pictures whose category is among the five likeliest",
    "texture_top1_precision": "share of test pictures whose likeliest texture is among their labels",
    "category_loss": "mean cross-entropy of the category head on the test pictures",
    "texture_loss": "mean binary cross-entropy of the texture head on the test pictures",
    "adversarial_accuracy": "category accuracy under PGD-8 at eps 0.03 on both heads' losses",
    "success_rate": "share of attacked pairs whose rank is at most rank_min",
    "success_rate_8bit": "the same after the image was rounded to 8 bits, as a file holds it",
    "success_rate_clean": "the same for the untouched image: what chance gives",
    "median_rank_before": "median rank of the attack item among the target's neighbours, untouched",
    "median_rank_after": "the same, attacked",
    "cosine_before": "cosine of the attack item's and the target's embeddings, untouched",
    "cosine_after": "the same, attacked",
    "ssim": "structural similarity of the clean and the attacked image, 1 for equal ones",
    "psnr": "peak signal-to-noise ratio of the attacked image in dB",
    "linf": "largest change of a pixel, in [0,1] units",
    "l2": "Euclidean length of the change, in [0,1] units",
    "gradient_evaluations": "gradients that a pair's attack cost",
    "queries": "forward passes that a pair's attack cost",
    "p_value_vs_none": "exact McNemar test of a defense against none on the same pairs, corrected",
}

__all__ = ["METRICS", "SUMMARIES"]
