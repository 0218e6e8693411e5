"""What every attack must satisfy; its test file inherits ``AttackContract`` and says how to build it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from elliot_advrec.attacks import Attack, AttackResult, Budget, EmbeddingLoss, Loss
from elliot_advrec.component import validate
from elliot_advrec.streams import Streams

SIZE = 12
BUDGETS = [Budget("linf", eps) for eps in (0.01, 0.05, 0.3)] + [Budget("l2", eps) for eps in (0.1, 0.5, 3.0)]


def network() -> nn.Sequential:
    """A small frozen embedder with BatchNorm, in evaluation mode."""
    generator = torch.Generator().manual_seed(5)
    net = nn.Sequential(
        nn.Conv2d(3, 6, 3, stride=2),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.Conv2d(6, 12, 3, stride=2),
        nn.Flatten(),
    )
    for parameter in net.parameters():
        parameter.data.normal_(0.0, 0.5, generator=generator)
    return net.eval().requires_grad_(False)


def pictures(count: int, seed: int = 0) -> Tensor:
    """(count,3,SIZE,SIZE) random images with some pure black and white, channels-last."""
    noise = torch.rand(count, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(seed))
    return (noise * 1.4 - 0.2).clamp(0, 1).contiguous(memory_format=torch.channels_last)


class Pull(EmbeddingLoss):
    """The cosine distance of each sample's embedding to its target's, with a count of what is asked of it.

    Args:
        names: (B,) which target each place of the batch has, so that a sample keeps its own in any batch.
    """

    net: nn.Sequential
    rows_seen: Tensor
    backward: list[int]

    def __init__(self, names: list[int], offset: float = 0.0) -> None:
        net, backward, rows_seen = network(), [0], torch.zeros(len(names), dtype=torch.long)
        targets = net(pictures(16, seed=99))[torch.tensor(names, dtype=torch.long)]

        def embed(pixels: Tensor) -> Tensor:
            backward[0] += len(pixels) if torch.is_grad_enabled() else 0
            embedding: Tensor = net(pixels)
            return embedding

        def main(embedding: Tensor, rows: Tensor) -> Tensor:
            rows_seen.index_add_(0, rows, torch.ones_like(rows))
            return 1 - functional.cosine_similarity(embedding, targets[rows]) + offset

        super().__init__(embed, main)
        for name, value in (("net", net), ("rows_seen", rows_seen), ("backward", backward)):
            object.__setattr__(self, name, value)


def of_pixels(loss: Loss) -> EmbeddingLoss:
    """``loss`` with the pixels themselves as the embedding."""
    return EmbeddingLoss(
        lambda pixels: pixels.flatten(1), lambda e, rows: loss(e.view(-1, 3, SIZE, SIZE), rows)
    )


def attacked(
    attack: Attack,
    count: int = 3,
    budget: Budget = BUDGETS[1],
    loss: Loss | None = None,
    judge: bool = True,
) -> tuple[AttackResult, Tensor, Tensor]:
    """The result, the clean images and the clean loss of ``attack`` on ``count`` pictures."""
    images = pictures(count)
    names = list(range(count))
    result = attack(loss or Pull(names), images, budget, Streams(names))
    clean_loss = Pull(names)(images, torch.arange(count)) if judge else torch.empty(0)
    return result, images, clean_loss


class AttackContract:
    """Inherit as ``class TestX(AttackContract)`` and override ``make``."""

    seeks_lowest_loss = True
    """Whether the result is the lowest loss seen (CW's L2 form seeks the shortest change instead)."""

    def make(self) -> Attack:
        """A small instance of the attack under test."""
        raise NotImplementedError

    def budget(self, norm: str = "linf") -> Budget:
        """A small budget in ``norm``; skips where the attack has no form for it."""
        if norm not in self.make().norms:
            pytest.skip(f"no form for {norm}")
        return BUDGETS[1] if norm == "linf" else BUDGETS[4]

    @pytest.mark.parametrize("budget", BUDGETS, ids=lambda b: f"{b.norm}-{b.eps}")
    def test_holds_bound_and_range_and_lowers_the_loss(self, budget: Budget) -> None:
        self.budget(budget.norm)
        result, images, clean_loss = attacked(self.make(), budget=budget)
        delta = (result.images - images).flatten(1)
        length = delta.abs().amax(1) if budget.norm == "linf" else delta.norm(dim=1)
        assert (length <= budget.eps + 1e-6).all()
        assert result.images.min() >= 0
        assert result.images.max() <= 1
        assert (result.loss <= clean_loss + 1e-6).all()
        assert result.loss.mean() < clean_loss.mean()

    def test_reported_loss_is_the_loss_of_the_images(self) -> None:
        result, _, _ = attacked(self.make())
        torch.testing.assert_close(result.loss, Pull([0, 1, 2])(result.images, torch.arange(3)))

    @pytest.mark.parametrize("norm", ["linf", "l2"])
    def test_eps_zero_is_the_clean_image(self, norm: str) -> None:
        self.budget(norm)
        result, images, clean_loss = attacked(self.make(), budget=Budget(norm, 0.0))  # type: ignore[arg-type]
        assert torch.equal(result.images, images)
        torch.testing.assert_close(result.loss, clean_loss)
        assert result.gradient_evaluations.tolist() == [0, 0, 0]

    @pytest.mark.parametrize("norm", ["linf", "l2"])
    def test_a_sample_alone_is_the_same_as_in_a_batch(self, norm: str) -> None:
        budget = self.budget(norm)
        images = pictures(3)
        together = self.make()(Pull([4, 5, 6]), images, budget, Streams([7, 8, 9]))
        for place in range(3):
            own = slice(place, place + 1)
            alone = self.make()(Pull([4 + place]), images[own], budget, Streams([7 + place]))
            torch.testing.assert_close(alone.images, together.images[own], atol=2e-4, rtol=0)
            torch.testing.assert_close(alone.loss, together.loss[own], atol=1e-4, rtol=1e-4)
            assert alone.gradient_evaluations[0] == together.gradient_evaluations[place]
            assert alone.queries[0] == together.queries[place]

    def test_order_does_not_matter(self) -> None:
        images = pictures(3)
        forth = self.make()(Pull([0, 1, 2]), images, BUDGETS[1], Streams([0, 1, 2]))
        back = self.make()(Pull([2, 1, 0]), images.flip(0), BUDGETS[1], Streams([2, 1, 0]))
        torch.testing.assert_close(back.images.flip(0), forth.images, atol=2e-4, rtol=0)

    def test_same_streams_same_result_and_global_randomness_untouched(self) -> None:
        losses = [Pull([0, 1, 2]), Pull([0, 1, 2])]
        before = torch.random.get_rng_state()
        first, second = (attacked(self.make(), loss=loss, judge=False)[0] for loss in losses)
        assert torch.equal(first.images, second.images)
        assert torch.equal(before, torch.random.get_rng_state())

    def test_empty_batch(self) -> None:
        result, _, _ = attacked(self.make(), count=0)
        assert result.images.shape == (0, 3, SIZE, SIZE)
        assert result.loss.shape == result.queries.shape == (0,)

    @pytest.mark.parametrize("level", [0.0, 1.0])
    def test_black_and_white_images_move(self, level: float) -> None:
        images = torch.full((2, 3, SIZE, SIZE), level)
        loss = Pull([0, 1])
        result = self.make()(loss, images, BUDGETS[1], Streams([0, 1]))
        assert ((result.images - images).abs().flatten(1).amax(1) > 1e-3).all()
        assert (result.loss < loss(images, torch.arange(2))).all()

    def test_memory_format_and_input_are_left_alone(self) -> None:
        images = pictures(2)
        copy = images.clone()
        result = self.make()(Pull([0, 1]), images, BUDGETS[1], Streams([0, 1]))
        assert torch.equal(images, copy)
        assert not images.requires_grad
        assert result.images.is_contiguous(memory_format=torch.channels_last)

    def test_network_is_left_alone(self) -> None:
        loss = Pull([0, 1])
        loss.net.requires_grad_(True)
        state = {name: value.clone() for name, value in loss.net.state_dict().items()}
        modes = [module.training for module in loss.net.modules()]
        self.make()(loss, pictures(2), BUDGETS[1], Streams([0, 1]))
        assert all(torch.equal(value, state[name]) for name, value in loss.net.state_dict().items())
        assert [module.training for module in loss.net.modules()] == modes
        assert all(parameter.grad is None for parameter in loss.net.parameters())

    def test_negative_losses_are_fine(self) -> None:
        if not self.seeks_lowest_loss:
            pytest.skip("its threshold gives the loss's level a meaning")
        lifted, _, _ = attacked(self.make())
        lowered, _, clean = attacked(self.make(), loss=Pull([0, 1, 2], offset=-7.0))
        # Looser than elsewhere: CW's early stop weighs progress against the size of the loss.
        assert (lowered.loss < clean - 7.0).all()
        torch.testing.assert_close(lowered.loss + 7.0, lifted.loss, atol=5e-3, rtol=0)

    @pytest.mark.parametrize("bad", [float("nan"), float("inf")])
    def test_loss_that_is_not_finite_is_refused(self, bad: float) -> None:
        def loss(pixels: Tensor, rows: Tensor) -> Tensor:
            return pixels.square().flatten(1).sum(1) * torch.where(rows == 1, bad, 1.0)

        with pytest.raises(ValueError, match=r"NaN or infinite for 1 of 3 samples: \[1\]"):
            attacked(self.make(), loss=of_pixels(loss))

    def test_counts_are_what_the_loss_saw(self) -> None:
        loss, attack = Pull([0, 1, 2]), self.make()
        result = attack(loss, pictures(3), self.budget(), Streams([0, 1, 2]))
        assert result.queries.tolist() == loss.rows_seen.tolist()
        assert int(result.gradient_evaluations.sum()) == loss.backward[0]
        assert int(result.gradient_evaluations.max()) <= attack.gradient_evaluations()
        assert (int(result.gradient_evaluations.max()) == 0) == (attack.needs == "values")
        assert (int(result.image_updates.max()) == 0) == (attack.needs == "gradient")
        assert (result.image_updates <= result.queries).all()

    def test_a_closed_recommender_is_attacked_only_by_who_needs_no_gradient(self) -> None:
        open_, attack = Pull([0, 1, 2]), self.make()
        closed = EmbeddingLoss(open_.embed, open_.main, white_box=False)
        if attack.needs == "gradient":
            with pytest.raises(ValueError, match="sees the recommender's answers alone"):
                attack(closed, pictures(3), self.budget(), Streams([0, 1, 2]))
            return
        found = attack(closed, pictures(3), self.budget(), Streams([0, 1, 2]))
        expected = attack(open_, pictures(3), self.budget(), Streams([0, 1, 2]))
        assert torch.equal(found.images, expected.images)

    def test_norms_without_a_form_are_refused(self) -> None:
        for norm in ("linf", "l2"):
            if norm not in self.make().norms:
                with pytest.raises(ValueError, match=f"has no form for {norm} budgets"):
                    attacked(self.make(), budget=Budget(norm, 0.5))

    def test_works_where_the_caller_turned_gradients_off(self) -> None:
        expected, images, _ = attacked(self.make())
        loss = Pull([0, 1, 2])
        with torch.inference_mode():
            found = self.make()(loss, images.clone(), BUDGETS[1], Streams([0, 1, 2]))
        torch.testing.assert_close(found.images, expected.images)

    def test_config_survives_its_dump(self) -> None:
        config = self.make().config
        assert validate(type(config), config.model_dump(mode="json"), "") == config
        assert all(field.description for field in type(config).model_fields.values())
