"""PPO that learns to fill pages, in one file: PyTorch and the vector environment, nothing else.

    python examples/ppo_from_scratch.py

It learns from the training users of the scenario ``small``, then serves users whom it never met, beside baselines on the same
users with the same dice. Source: J. Schulman et al. (2017), Proximal policy optimization algorithms; form: CleanRL (2022).
"""

import argparse
import time

import gymnasium
import numpy as np
import torch
from torch import nn

import recsim_llm
from recsim_llm.envs import as_policy

ROWS, LENGTH, EPOCHS, MINIBATCHES = 64, 16, 4, 4
GAMMA, LAMBDA, CLIP, ENTROPY, RATE = 0.99, 0.95, 0.2, 0.003, 2e-3


class Agent(nn.Module):
    """Scores every item for every user; pages are drawn without replacement (Plackett-Luce)."""

    def __init__(self, item_vectors, slots):
        super().__init__()
        self.items, self.slots, width = torch.as_tensor(item_vectors), slots, item_vectors.shape[1]
        self.blocks = nn.Parameter(torch.full((5, width), 0.02))  # how much each part of the user's taste counts
        self.general = nn.Parameter(torch.zeros(len(item_vectors)))  # what everybody likes
        self.value = nn.Sequential(nn.Linear(5 * width + 7, 64), nn.Tanh(), nn.Linear(64, 1))
        self.ahead = nn.Parameter(torch.tensor(0.1))

    def forward(self, seen):
        """Return scores [rows, items], very low where the rules forbid an item, and values [rows]."""
        taste, width = seen["taste"], self.items.shape[1]
        liked = (taste[:, : 5 * width].unflatten(1, (5, width)) * self.blocks).sum(1)
        scores = (liked @ self.items.T + self.general).masked_fill(seen["fresh"] == 0, -1e9)
        best = scores.detach().clamp(min=-10).topk(self.slots).values.mean(1)
        return scores, self.value(torch.cat([taste, seen["page"]], 1)).squeeze(1) + self.ahead * best

    def page(self, seen, explore):
        """Return pages [rows, slots], their log-probabilities and the values."""
        scores, value = self(seen)
        noise = -torch.empty_like(scores).exponential_().log()  # Gumbel's: the top k of scores and noise are a draw
        pages = (scores + explore * noise).topk(self.slots).indices
        return pages, log_probability(scores, pages)[0], value


def log_probability(scores, pages):
    """Return of each page, drawn slot by slot from what is left, its log-probability and the entropy along it."""
    total, entropy = 0.0, 0.0
    for slot in range(pages.shape[1]):
        law = torch.log_softmax(scores, 1)
        total = total + law.gather(1, pages[:, slot : slot + 1]).squeeze(1)
        entropy = entropy - (law.exp() * law).sum(1)
        scores = scores.scatter(1, pages[:, slot : slot + 1], -2e9)
    return total, entropy


def make(part, rows):
    """Return the environment with one part of the users: those that training meets, or all others."""
    world = {"scenario": recsim_llm.load_scenario("small", {"users.part": part}), "observation": ["page", "taste", "fresh"]}
    return gymnasium.make_vec("RecSimLLM/Browse-v0", rows, autoreset_mode="same_step", **world)


def tensors(observation):
    """Return an observation as tensors."""
    return {name: torch.as_tensor(column, dtype=torch.float32) for name, column in observation.items()}


def train(envs, steps, seed):
    """Return an agent that has learned from so many pages."""
    torch.manual_seed(seed)
    agent = Agent(envs.unwrapped.item_vectors, envs.single_action_space.shape[0])
    optimizer = torch.optim.Adam(agent.parameters(), lr=RATE, eps=1e-5)
    observation, _ = envs.reset(seed=seed)
    seen, updates, started = tensors(observation), max(1, steps // (ROWS * LENGTH)), time.perf_counter()
    for update in range(updates):
        optimizer.param_groups[0]["lr"] = RATE * (1 - update / updates)
        record, rewards, going = [], torch.zeros(LENGTH, ROWS), torch.zeros(LENGTH, ROWS)
        for step in range(LENGTH):
            with torch.no_grad():
                pages, logp, value = agent.page(seen, explore=True)
            observation, reward, terminated, truncated, info = envs.step(pages.numpy())
            record.append({**seen, "pages": pages, "logp": logp, "value": value})
            rewards[step], going[step] = torch.as_tensor(reward), torch.as_tensor(~(terminated | truncated))
            for row in np.flatnonzero(truncated):  # the user would have stayed: what would have followed counts
                with torch.no_grad():
                    last = {name: column[None] for name, column in info["final_obs"][row].items()}
                    rewards[step, row] += GAMMA * agent(tensors(last))[1][0]
            seen = tensors(observation)
        following, gained, advantage = agent(seen)[1].detach(), torch.zeros(ROWS), torch.zeros(LENGTH, ROWS)
        for step in reversed(range(LENGTH)):
            surprise = rewards[step] + GAMMA * going[step] * following - record[step]["value"]
            gained = advantage[step] = surprise + GAMMA * LAMBDA * going[step] * gained
            following = record[step]["value"]
        batch = {name: torch.cat([one[name] for one in record]) for name in record[0]} | {"advantage": advantage.flatten()}
        batch["target"] = batch["advantage"] + batch["value"]
        for _ in range(EPOCHS):
            for rows in torch.randperm(ROWS * LENGTH).chunk(MINIBATCHES):
                part = {name: column[rows] for name, column in batch.items()}
                scores, value = agent(part)
                logp, entropy = log_probability(scores, part["pages"])
                ratio, gain = (logp - part["logp"]).exp(), part["advantage"]
                gain = (gain - gain.mean()) / (gain.std() + 1e-8)
                clipped = torch.min(ratio * gain, ratio.clamp(1 - CLIP, 1 + CLIP) * gain).mean()
                loss = 0.05 * (value - part["target"]).pow(2).mean() - ENTROPY * entropy.mean() - clipped
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(agent.parameters(), 0.5)
                optimizer.step()
        if update % max(1, updates // 10) == 0:
            done, seconds = (update + 1) * ROWS * LENGTH, time.perf_counter() - started
            print(f"{done:>9,} pages  {batch['target'].mean():6.2f} clicks to come  {done / seconds:,.0f} pages/s")
    return agent


def returns(policy, envs, users, seed):
    """Return the clicks of the first visit of each user, float64 [users]: the same dice whatever the policy."""
    observation, _ = envs.reset(seed=seed, options={"user_id": users})
    total, going = np.zeros(len(users)), np.ones(len(users), bool)
    while going.any():
        observation, reward, terminated, truncated, _ = envs.step(policy(observation))
        total, going = total + reward * going, going & ~(terminated | truncated)
    return total


def main():
    """Train, serve users whom the agent never met, and print what it earned beside the baselines."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=100_000, help="pages to learn from (default: 100,000)")
    parser.add_argument("--seed", type=int, default=1, help="of weights, users and dice (default: 1)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    agent = train(make("training", ROWS), options.steps, options.seed)
    users = make("held_out", 1).unwrapped.session.world.population.user_id
    envs = make("held_out", len(users))
    with torch.no_grad():
        own = returns(lambda seen: agent.page(tensors(seen), explore=False)[0].numpy(), envs, users, options.seed + 1_000_000)
    print(f"\n{len(users)} users whom the agent never met, one visit each\nppo         {own.mean():5.2f} clicks a visit")
    for name in ("random", "popularity", "oracle"):
        other = returns(as_policy(name, envs), envs, users, options.seed + 1_000_000)
        gain, half = (own - other).mean(), 1.96 * (own - other).std(ddof=1) / len(users) ** 0.5
        print(f"{name:<11} {other.mean():5.2f}   ppo less {name}: {gain:+.2f} [{gain - half:+.2f}, {gain + half:+.2f}]")


if __name__ == "__main__":
    main()
