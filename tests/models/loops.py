"""Reinforcement learning with the environment inside of the graph: a tf.while_loop that plays, a policy that learns."""

import numpy as np
import tensorflow as tf
from zoo import model, numbers

POLES, TURNS = 8, 12


def physics(state, push):
    """One step of a pole on a cart (Barto, Sutton and Anderson's equations); a column of `state` each."""
    at, speed, angle, turn = tf.unstack(state, axis=1)
    sine, cosine = tf.sin(angle), tf.cos(angle)
    pulled = (10.0 * push + 0.05 * turn * turn * sine) / 1.1
    bend = (9.8 * sine - cosine * pulled) / (0.5 * (4.0 / 3.0 - 0.1 * cosine * cosine / 1.1))
    drift = pulled - 0.05 * bend * cosine / 1.1
    dt = 0.02
    return tf.stack([at + dt * speed, speed + dt * drift, angle + dt * turn, turn + dt * bend], axis=1)


@model("Policy gradient in a while loop", quick=True)
def policy_gradient(job):
    rng = numbers(8)
    kind = tf.float16 if job.half else tf.float32
    shapes = ((4, 16), (16,), (16, 2), (2,))
    weights = [tf.Variable(rng.normal(0, 0.5, s).astype("float32") if len(s) > 1 else tf.zeros(s)) for s in shapes]

    def act(state):
        w = [tf.cast(v, kind) for v in weights]
        return tf.cast(tf.matmul(tf.tanh(tf.matmul(tf.cast(state, kind), w[0]) + w[1]), w[2]) + w[3], tf.float32)

    def play(state, seed):
        """(log-probabilities of what was done, rewards), a row a turn."""

        def turn(t, state, chosen, rewards):
            scores = tf.nn.log_softmax(act(state))
            chance = tf.random.stateless_uniform([POLES], tf.stack([seed, t]))
            right = chance < tf.exp(scores[:, 1])
            chosen = chosen.write(t, tf.where(right, scores[:, 1], scores[:, 0]))
            state = physics(state, tf.where(right, 1.0, -1.0))
            return t + 1, state, chosen, rewards.write(t, 1.0 - tf.abs(state[:, 2]) - 0.1 * tf.abs(state[:, 0]))

        arrays = [tf.TensorArray(tf.float32, TURNS, element_shape=[POLES]) for _ in range(2)]
        _, _, chosen, rewards = tf.while_loop(lambda t, *_: t < TURNS, turn, (tf.constant(0), state, *arrays))
        return chosen.stack(), rewards.stack()

    def step(state, seed):
        with tf.GradientTape() as tape:
            chosen, rewards = play(state, seed)
            future = tf.cumsum(rewards, axis=0, reverse=True)
            advantage = future - tf.reduce_mean(future, axis=1, keepdims=True)
            loss = -tf.reduce_mean(chosen * tf.stop_gradient(advantage))
        for v, g in zip(weights, tape.gradient(loss, weights), strict=True):
            v.assign_sub(0.05 * g)
        return loss

    call = step if job.eager else tf.function(step)
    starts = tf.constant(rng.uniform(-0.05, 0.05, (POLES, 4)).astype("float32"))
    job.loop(lambda n: call(starts, tf.constant(n)))
    return np.concatenate([v.numpy().ravel() for v in weights])


@model("Q-learning", modes=("graph", "eager"))
def q_learning(job):
    """A replay buffer in a variable, filled by scatter_nd_update and read by gather_nd; a target net that lags behind."""
    rng = numbers(9)
    kind = tf.float16 if job.half else tf.float32
    net = [tf.Variable(rng.normal(0, 0.5, s).astype("float32")) for s in ((4, 16), (16, 2))]
    target = [tf.Variable(v) for v in net]
    buffer = tf.Variable(tf.zeros([32, 4 + 1 + 1 + 4]))
    start = tf.constant(rng.uniform(-0.05, 0.05, (4, 4)).astype("float32"))
    state = tf.Variable(start)

    def value(w, s):
        h = tf.nn.relu(tf.matmul(tf.cast(s, kind), tf.cast(w[0], kind)))
        return tf.cast(tf.matmul(h, tf.cast(w[1], kind)), tf.float32)

    def step(n):
        best = tf.argmax(value(net, state), axis=1, output_type=tf.int32)
        lucky = tf.random.stateless_uniform([4], tf.stack([n, 5])) < 0.5
        push = tf.where(lucky, 1.0, tf.cast(best, tf.float32) * 2.0 - 1.0)
        after = physics(state, push)
        reward = 1.0 - tf.abs(after[:, 2])
        rows = tf.concat([state, push[:, None], reward[:, None], after], axis=1)
        buffer.scatter_nd_update((tf.range(4) + 4 * n)[:, None] % 32, rows)
        state.assign(tf.where(tf.abs(after[:, 2:3]) > 0.2, start, after))
        drawn = tf.random.stateless_uniform([16, 1], tf.stack([n, 6]), 0, tf.minimum(32, 4 * n + 4), tf.int32)
        s, push, reward, after = tf.split(tf.gather_nd(buffer, drawn), [4, 1, 1, 4], axis=1)
        with tf.GradientTape() as tape:
            values = value(net, s)
            done = tf.gather(values, tf.cast(push[:, 0] > 0, tf.int32), batch_dims=1)
            aim = reward[:, 0] + 0.9 * tf.reduce_max(value(target, after), axis=1)
            loss = tf.reduce_mean(tf.square(done - tf.stop_gradient(aim)))
        for v, g in zip(net, tape.gradient(loss, net), strict=True):
            v.assign_sub(0.05 * g)
        for slow, fast in zip(target, net, strict=True):
            slow.assign(0.9 * slow + 0.1 * fast)
        return loss

    call = step if job.eager else tf.function(step)
    job.loop(lambda n: call(tf.constant(n)))
    return np.concatenate([v.numpy().ravel() for v in net])
