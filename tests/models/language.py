"""Transformers over tokens, recurrent networks, embeddings."""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops
from zoo import model, numbers, tokens

VOCABULARY, LENGTH, WIDTH, BATCH = 64, 16, 32, 4
CROSS_ENTROPY = {"from_logits": True}


class Positions(layers.Layer):
    """Token and position embeddings, added."""

    def __init__(self, vocabulary, length, width, mask_zero=False):
        super().__init__()
        self.tokens = layers.Embedding(vocabulary, width, mask_zero=mask_zero)
        self.positions = layers.Embedding(length, width)

    def call(self, x):
        return self.tokens(x) + self.positions(ops.arange(ops.shape(x)[1]))

    def compute_mask(self, x, mask=None):
        return self.tokens.compute_mask(x)


def block(x, causal, heads=2, drop=0.0, mask=None):
    """Attention and a feed-forward net, each after a normalisation and beside a shortcut."""
    h = layers.LayerNormalization(epsilon=1e-5)(x)
    h = layers.MultiHeadAttention(heads, WIDTH // heads, dropout=drop)(
        h, h, use_causal_mask=causal, attention_mask=mask
    )
    x = layers.Add()([x, h])
    h = layers.LayerNormalization(epsilon=1e-5)(x)
    h = layers.Dense(WIDTH)(layers.Dense(2 * WIDTH, activation="gelu")(h))
    return layers.Add()([x, layers.Dropout(drop)(h)])


def logits(x, n):
    return layers.Activation("linear", dtype="float32")(layers.Dense(n)(x))


@model("GPT", quick=True)
def gpt(job):
    words = tokens(2 * BATCH, LENGTH + 1, VOCABULARY)
    inputs = keras.Input((LENGTH,), dtype="int32")
    x = Positions(VOCABULARY, LENGTH, WIDTH)(inputs)
    for _ in range(2):
        x = block(x, causal=True)
    net = keras.Model(inputs, logits(layers.LayerNormalization(epsilon=1e-5)(x), VOCABULARY))
    loss = keras.losses.SparseCategoricalCrossentropy(**CROSS_ENTROPY)
    job.fit(
        net, words[:, :-1], words[:, 1:], loss, BATCH, keras.optimizers.AdamW(1e-3, weight_decay=0.01, clipnorm=1.0)
    )
    return net.predict(words[:BATCH, :-1], verbose=0)


@model("BERT")
def bert(job):
    """Masked words are guessed from both sides; the sequences have lengths of their own."""
    rng = numbers(3)
    words = tokens(2 * BATCH, LENGTH, VOCABULARY)
    words[np.arange(LENGTH) >= rng.integers(LENGTH // 2, LENGTH + 1, (2 * BATCH, 1))] = 0
    hidden = (rng.random(words.shape) < 0.2) & (words > 0)
    inputs = keras.Input((LENGTH,), dtype="int32")
    x = Positions(VOCABULARY + 1, LENGTH, WIDTH, mask_zero=True)(inputs)
    x = layers.Dropout(0.1)(x)
    for _ in range(2):
        x = block(x, causal=False, drop=0.1)
    net = keras.Model(inputs, logits(x, VOCABULARY))
    masked = np.where(hidden, VOCABULARY, words).astype("int32")
    loss = keras.losses.SparseCategoricalCrossentropy(ignore_class=0, **CROSS_ENTROPY)
    job.fit(net, masked, words, loss, BATCH)
    return net.predict(masked[:BATCH], verbose=0)


@model("LSTM classifier", quick=True)
def lstm(job):
    words = tokens(2 * BATCH, LENGTH, VOCABULARY)
    x = keras.Input((LENGTH,), dtype="int32")
    h = layers.Embedding(VOCABULARY, WIDTH)(x)
    h = layers.Bidirectional(layers.LSTM(16, return_sequences=True))(h)
    h = layers.LSTM(16)(h)
    net = keras.Model(x, logits(layers.Dropout(0.2)(h), 2))
    loss = keras.losses.SparseCategoricalCrossentropy(**CROSS_ENTROPY)
    job.fit(net, words, (words[:, 0] > VOCABULARY // 2).astype("int32"), loss, BATCH)
    return net.predict(words[:BATCH], verbose=0)


@model("LSTM masked")
def masked_lstm(job):
    """Sequences of different lengths: the mask reaches the recurrent layer."""
    words = tokens(2 * BATCH, LENGTH, VOCABULARY)
    words[np.arange(LENGTH) >= numbers(4).integers(3, LENGTH + 1, (2 * BATCH, 1))] = 0
    x = keras.Input((LENGTH,), dtype="int32")
    h = layers.Embedding(VOCABULARY, WIDTH, mask_zero=True)(x)
    net = keras.Model(x, logits(layers.LSTM(16)(h), 2))
    loss = keras.losses.SparseCategoricalCrossentropy(**CROSS_ENTROPY)
    job.fit(net, words, (words[:, 0] > VOCABULARY // 2).astype("int32"), loss, BATCH)
    return net.predict(words[:BATCH], verbose=0)


@model("GRU seq2seq")
def seq2seq(job):
    """Reads a sequence and says it backwards; the decoder starts from the encoder's state and attends to its outputs."""
    source = tokens(2 * BATCH, 10, VOCABULARY)
    target = source[:, ::-1]
    before = np.pad(target[:, :-1], ((0, 0), (1, 0)))
    a, b = keras.Input((10,), dtype="int32"), keras.Input((10,), dtype="int32")
    embed = layers.Embedding(VOCABULARY, WIDTH)
    encoded, state = layers.GRU(WIDTH, return_sequences=True, return_state=True)(embed(a))
    decoded = layers.GRU(WIDTH, return_sequences=True)(embed(b), initial_state=state)
    seen = layers.Attention()([decoded, encoded])
    net = keras.Model([a, b], logits(layers.Concatenate()([decoded, seen]), VOCABULARY))
    loss = keras.losses.SparseCategoricalCrossentropy(**CROSS_ENTROPY)
    job.fit(net, (source, before), target, loss, BATCH)
    return net.predict([source[:BATCH], before[:BATCH]], verbose=0)


@model("Recommender", quick=True)
def recommender(job):
    """Users and what they saw, as embeddings; a score is their product; sparse gradients meet Adagrad."""
    rng = numbers(5)
    users, items, seen = rng.integers(0, 50, 64), rng.integers(0, 80, 64), rng.integers(0, 80, (64, 5))
    stars = ((users * 7 + items * 3) % 5 + 1).astype("float32")
    u, i = keras.Input((), dtype="int32"), keras.Input((), dtype="int32")
    s = keras.Input((5,), dtype="int32")
    embed = layers.Embedding(80, 16)
    user = layers.Concatenate()([layers.Embedding(50, 16)(u), ops.mean(embed(s), axis=1)])
    user = layers.Dense(16, activation="relu")(user)
    score = layers.Dot(1)([user, embed(i)]) + layers.Embedding(80, 1)(i)
    net = keras.Model([u, i, s], layers.Activation("linear", dtype="float32")(score))
    x = tuple(v.astype("int32") for v in (users, items, seen))
    job.fit(net, x, stars, keras.losses.MeanSquaredError(), 16, keras.optimizers.Adagrad(0.05))
    return net.predict(x, batch_size=32, verbose=0)


@model("Word vectors")
def word_vectors(job):
    """Skip-grams in a loop of one's own: tf.nn.embedding_lookup, its IndexedSlices, assign_sub and scatter_sub."""
    rng = numbers(6)
    table = tf.Variable(rng.normal(0, 0.1, (VOCABULARY, 16)).astype("float32"))
    context = tf.Variable(rng.normal(0, 0.1, (VOCABULARY, 16)).astype("float32"))
    words = tokens(32, 3, VOCABULARY)
    kind = tf.float16 if job.half else tf.float32

    def step(x):
        with tf.GradientTape() as tape:
            a = tf.cast(tf.nn.embedding_lookup(table, x[:, 0]), kind)
            b = tf.cast(tf.nn.embedding_lookup(context, x[:, 1:]), kind)
            scores = tf.cast(tf.einsum("nd,nkd->nk", a, b), tf.float32)
            labels = tf.one_hot(tf.zeros_like(x[:, 0]), 2)
            loss = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels, scores))
        for v, g in zip((table, context), tape.gradient(loss, (table, context)), strict=True):
            v.scatter_sub(tf.IndexedSlices(5.0 * tf.cast(g.values, tf.float32), g.indices))
        return loss

    call = step if job.eager else tf.function(step)
    data = [tf.constant(words[:16]), tf.constant(words[16:])]
    job.loop(lambda n: call(data[n % 2]))
    return tf.nn.l2_normalize(table, axis=1).numpy()
