"""A transformer over patches, a U-Net, an autoencoder, a generator and its critic, augmentation on the device."""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops
from language import block, logits
from zoo import images, model, numbers

EDGE, BATCH, WIDTH = 16, 4, 32


@model("ViT", quick=True)
def vit(job):
    x, y = images(2 * BATCH, EDGE)
    inputs = keras.Input((EDGE, EDGE, 3))
    h = layers.Reshape((16, WIDTH))(layers.Conv2D(WIDTH, 4, strides=4)(inputs))
    h = h + layers.Embedding(16, WIDTH)(np.arange(16))
    for _ in range(2):
        h = block(h, causal=False, drop=0.1)
    h = layers.GlobalAveragePooling1D()(layers.LayerNormalization(epsilon=1e-5)(h))
    net = keras.Model(inputs, logits(h, 10))
    job.fit(net, x, y, keras.losses.SparseCategoricalCrossentropy(from_logits=True), BATCH)
    return net.predict(x[:BATCH], verbose=0)


def convolve(x, n):
    for _ in range(2):
        x = layers.Conv2D(n, 3, padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
    return x


@model("U-Net")
def unet(job):
    x, _ = images(2 * BATCH, EDGE)
    inside = (x.mean(-1, keepdims=True) > 0).astype("float32")
    inputs = keras.Input((EDGE, EDGE, 3))
    a = convolve(inputs, 8)
    b = convolve(layers.MaxPooling2D()(a), 16)
    c = convolve(layers.MaxPooling2D()(b), 32)
    h = convolve(layers.Concatenate()([b, layers.Conv2DTranspose(16, 3, strides=2, padding="same")(c)]), 16)
    h = convolve(layers.Concatenate()([a, layers.UpSampling2D(interpolation="bilinear")(h)]), 8)
    net = keras.Model(inputs, logits(h, 1))
    job.fit(net, x, inside, keras.losses.BinaryCrossentropy(from_logits=True), BATCH, keras.optimizers.SGD(0.01, 0.9))
    return net.predict(x[:BATCH], verbose=0)


class Autoencoder(keras.Model):
    def __init__(self):
        super().__init__()
        self.encoder = keras.Sequential([layers.Conv2D(8, 3, strides=2, padding="same", activation="swish"), layers.Flatten(), layers.Dense(8)])  # fmt: skip
        self.decoder = keras.Sequential([layers.Dense(4 * 4 * 8, activation="swish"), layers.Reshape((4, 4, 8)),
                                         layers.Conv2DTranspose(8, 3, strides=2, padding="same", activation="swish"),
                                         layers.Conv2DTranspose(1, 3, strides=2, padding="same"),
                                         layers.Activation("sigmoid", dtype="float32")])  # fmt: skip
        self.seeds = keras.random.SeedGenerator(11)

    def encode(self, x):
        return ops.split(ops.cast(self.encoder(x), "float32"), 2, axis=-1)

    def call(self, x):
        mean, log_variance = self.encode(x)
        z = mean + ops.exp(0.5 * log_variance) * keras.random.normal(ops.shape(mean), seed=self.seeds)
        self.add_loss(-0.5 * ops.mean(1 + log_variance - ops.square(mean) - ops.exp(log_variance)))
        return self.decoder(z)


@model("VAE")
def vae(job):
    x, _ = images(2 * BATCH, EDGE, 1)
    x = 1 / (1 + np.exp(-3 * x))
    net = Autoencoder()
    job.fit(net, x, x, keras.losses.BinaryCrossentropy(), BATCH)
    mean, _ = net.encode(x[:BATCH])
    return net.decoder(mean).numpy()


@model("GAN")
def gan(job):
    """Two models, two optimizers and two tapes in a loop of one's own; in half precision with a scaled loss."""
    x, _ = images(2 * BATCH, EDGE, 1)
    leaky = lambda: layers.LeakyReLU(0.2)  # noqa: E731
    generator = keras.Sequential([keras.Input((8,)), layers.Dense(4 * 4 * 16), layers.BatchNormalization(), leaky(), layers.Reshape((4, 4, 16)),
                                  layers.Conv2DTranspose(8, 4, strides=2, padding="same"), leaky(),
                                  layers.Conv2DTranspose(1, 4, strides=2, padding="same", activation="tanh", dtype="float32")])  # fmt: skip
    critic = keras.Sequential([keras.Input((EDGE, EDGE, 1)), layers.Conv2D(8, 4, strides=2, padding="same"), leaky(),
                               layers.Dropout(0.3, seed=5), layers.Flatten(), layers.Dense(1), layers.Activation("linear", dtype="float32")])  # fmt: skip
    optimizers = [keras.optimizers.Adam(2e-4, beta_1=0.5) for _ in range(2)]
    if job.half:
        optimizers = [keras.mixed_precision.LossScaleOptimizer(o, initial_scale=1024.0) for o in optimizers]
    cross_entropy = keras.losses.BinaryCrossentropy(from_logits=True)

    def step(real):
        noise = tf.random.normal((BATCH, 8), seed=3)
        with tf.GradientTape() as g, tf.GradientTape() as c:
            made = generator(noise, training=True)
            good, bad = critic(real, training=True), critic(made, training=True)
            fooled = cross_entropy(tf.ones_like(bad), bad)
            caught = cross_entropy(tf.ones_like(good), good) + cross_entropy(tf.zeros_like(bad), bad)
            scaled = [o.scale_loss(v) for o, v in zip(optimizers, (fooled, caught), strict=True)]
        for net, tape, loss, optimizer in zip((generator, critic), (g, c), scaled, optimizers, strict=True):
            variables = net.trainable_variables
            optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return fooled + caught

    call = step if job.eager else tf.function(step)
    data = [tf.constant(x[:BATCH]), tf.constant(x[BATCH:])]
    for net, optimizer in zip((generator, critic), optimizers, strict=True):
        optimizer.build(net.trainable_variables)
    job.loop(lambda n: call(data[n % 2]))
    return generator.predict(numbers(7).normal(size=(BATCH, 8)).astype("float32"), verbose=0)


@model("Augmentation", precisions=("float32",))
def augmentation(job):
    """tf.image and Keras' image layers inside of the model, before a small classifier."""
    x, y = images(2 * BATCH, EDGE)
    inputs = keras.Input((EDGE, EDGE, 3))
    h = layers.RandomFlip(seed=1)(inputs)
    h = layers.RandomTranslation(0.1, 0.1, seed=2)(h)
    h = layers.RandomRotation(0.1, seed=3)(h)
    h = layers.RandomContrast(0.2, seed=4)(h)
    h = layers.Resizing(12, 12)(h)
    h = layers.CenterCrop(8, 8)(h)
    h = layers.Flatten()(layers.Conv2D(8, 3, activation="relu")(h))
    net = keras.Model(inputs, layers.Dense(10)(h))
    job.fit(net, x, y, keras.losses.SparseCategoricalCrossentropy(from_logits=True), BATCH)
    y = tf.image.adjust_saturation(tf.image.rgb_to_grayscale(tf.constant(x[:2])) * [1.0, 0.5, 0.2], 0.5)
    y = tf.image.resize(tf.image.adjust_hue(tf.clip_by_value(y, 0, 1), 0.1), (9, 7))
    return np.concatenate([net.predict(x[:BATCH], verbose=0).ravel(), y.numpy().ravel()])
