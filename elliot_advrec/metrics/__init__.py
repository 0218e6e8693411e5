"""Measures: ranking quality, rates with intervals, perceptual distance, significance.

``formulas`` holds every measure of recommendation lists, by Elliot's name with its source; ``ranking`` ranks
and judges by them, ``given`` reads lists that were made elsewhere. ``rates`` gives intervals and
``significance`` paired tests. Shares are in [0, 1]; a cutoff k counts the first k places of a list, fewer
where it is shorter.
"""

from elliot_advrec.metrics.formulas import METRICS

SUMMARIES: dict[str, str] = {
    **METRICS,
    "accuracy": "share of test pictures whose category is right",
    "top5_accuracy": "share of test pictures whose category is among the five likeliest",
    "texture_top1_precision": "share of test pictures whose likeliest texture is among their labels",
    "category_loss": "mean cross-entropy of the category head on the test pictures",
    "texture_loss": "mean binary cross-entropy of the texture head on the test pictures",
    "adversarial_accuracy": "category accuracy under PGD-8 at eps 0.03 on both heads' losses",
    "success_rate": "share of attacked pairs whose rank is at most rank_min (Komal 2022)",
    "success_rate_8bit": "success_rate after the image was rounded to 8 bits, as a file holds it",
    "success_rate_resubmitted": "success_rate of the best of several tries behind a filter or detector",
    "success_rate_clean": "success_rate of the untouched image: what chance gives",
    "median_rank_before": "median rank among the target's neighbours, or place in the list, untouched",
    "median_rank_after": "median rank among the target's neighbours, or place in the list, attacked",
    "cosine_before": "cosine of the attack item's and the target's embeddings, untouched",
    "cosine_after": "cosine of the attack item's and the target's embeddings, attacked",
    "ssim": "structural similarity of the clean and the attacked image, 1 for equal ones (Wang et al. 2004)",
    "psnr": "peak signal-to-noise ratio of the attacked image in dB",
    "linf": "largest change of a pixel, in [0,1] units",
    "l2": "Euclidean length of the change, in [0,1] units",
    "gradient_evaluations": "gradients that a pair's attack cost",
    "queries": "forward passes that a pair's attack cost",
    "image_updates": "pictures that a black-box attack showed to the recommender (Cohen et al. 2021)",
    "detected_accounts": "share of black-box attacks whose uploads raise an alarm (after Chen et al. 2019)",
    "median_queries_until_detected": "median upload that raised such an alarm",
    "lpips": "learned perceptual distance, 0 for equal images (Zhang et al. 2018); where weights are given",
    "hit_rate": "share of the measured users with the pushed item in their k best (Cohen et al. 2021)",
    "hit_rate_8bit": "hit_rate after the image was rounded to 8 bits",
    "hit_rate_resubmitted": "hit_rate of the best of several tries behind a filter or detector",
    "hit_rate_clean": "hit_rate of the untouched image",
    "hit_rate_head": "hit_rate at the longest list, of pushed items of the short head",
    "hit_rate_tail": "hit_rate at the longest list, of pushed items of the long tail",
    "hit_rate_cold": "hit_rate at the longest list, of pushed items that nobody has taken",
    "prediction_shift": "mean growth of the pushed item's score (Merra et al. 2023)",
    "rank_shift": "mean number of places that the pushed item rose",
    "CHR": "items of the attacked category among a user's k best, mean over users (Di Noia et al. 2020)",
    "CHR_clean": "CHR over the untouched catalog",
    "CHR_p_value": "Wilcoxon signed-rank test of CHR against CHR_clean over users",
    "feature_loss": "mean squared change of the embedding's entries (Anelli et al. 2020)",
    "probability_before": "probability of the target category, untouched",
    "probability_after": "probability of the target category, attacked",
    "sampled_HR": "share of users whose test item is among the k best of it and sampled negatives (Yin 2023)",
    "sampled_nDCG": "nDCG of the test item among it and sampled negatives",
    "sampled_HR_resubmitted": "sampled_HR for the best of several tries behind a filter or detector",
    "sampled_nDCG_resubmitted": "sampled_nDCG for the best of several tries",
    "catalog_HR": "sampled_HR over the whole catalog instead, the triple's pictures alone attacked",
    "catalog_nDCG": "nDCG of the test item in the whole catalog, the triple's pictures alone attacked",
    "catalog_HR_resubmitted": "catalog_HR for the best of several tries",
    "catalog_nDCG_resubmitted": "catalog_nDCG for the best of several tries",
    "bpr_loss_before": "mean -ln sigmoid(s_ui - s_uj) of test triples, untouched",
    "bpr_loss_after": "mean -ln sigmoid(s_ui - s_uj) of test triples, attacked",
    "median_catalog_place_before": "median place of the test item in the catalog, untouched",
    "median_catalog_place_after": "median place of the test item in the catalog, attacked",
    "prediction_shift_test_items": "mean growth of the score of attacked test items",
    "prediction_shift_negatives": "mean growth of the score of attacked negatives",
    "detection_threshold": "score above which a detector flags a picture",
    "flagged_clean": "share of untouched test pictures that the detector flags: its false-positive rate",
    "flagged": "share of attacked pictures that the detector flags, as 8-bit files hold them",
    "detection_accuracy": "share of right verdicts over attacked test pictures and their untouched selves",
    "detection_tpr": "share of attacked test pictures that the detector flags, each once",
    "detection_auroc": "area under the ROC curve of attacked test pictures against untouched ones",
    "detection_tpr_at_1_fpr": "share of attacked test pictures above what 1 % of untouched ones exceed",
    "p_value_vs_none": "exact McNemar test against none on the same pairs (Benjamini & Hochberg 1995)",
}
"""Name of each measure in a result row -> one line about it, as ``elliot list metrics`` prints it."""

__all__ = ["METRICS", "SUMMARIES"]
