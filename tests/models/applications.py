"""The families of keras.applications at small inputs, without the trained weights.

Plain gradient descent in small steps: Adam's first steps are the gradients' signs, and behind a normalisation over few
values the sign of a gradient near zero is chance.
"""

import keras
from zoo import images, model

# name, class in keras.applications, edge of the input (the smallest allowed is 71 for Xception, 75 for InceptionV3).
# WITH_SCALING are those whose first layer expects pixels from 0 to 255: pictures of smaller numbers would come out of it
# nearly constant, and the normalisation behind it would make the last bits of a sum into everything.
# The last is the rate of the descent.  Gradients of the untrained ResNet50 have a norm of thousands, at larger pictures
# and batches too, and a handful of units that cross their ReLU's kink by rounding changes them by percents, on any
# device: after three steps of RATE, inputs that differ by 1e-7 give predictions a third apart on the CPU alone.  At
# STEEP the loss falls by a tenth, and what is left of the difference is small enough for a wrong gradient to show.
RATE, STEEP = 1e-3, 1e-8
# VGG16 has no normalisation, and its untrained output hardly depends on its input: it learns at a higher rate.
FLAT = 2e-2
# In half precision the loss is scaled by less than Keras would begin with, with which gradients of the first steps
# overflow, so that it leaves these steps out.
SCALE = {RATE: 128.0, STEEP: 1.0, FLAT: 128.0}
FAMILIES = (
    ("ResNet50", "ResNet50", 64, {}, STEEP),
    ("VGG16", "VGG16", 32, {}, FLAT),
    ("MobileNetV3Small", "MobileNetV3Small", 64, {"minimalistic": False}, RATE),
    ("EfficientNetV2B0", "EfficientNetV2B0", 64, {}, RATE),
    ("ConvNeXtTiny", "ConvNeXtTiny", 32, {}, RATE),
    ("DenseNet121", "DenseNet121", 64, {}, RATE),
    ("InceptionV3", "InceptionV3", 75, {}, RATE),
    ("Xception", "Xception", 71, {}, RATE),
    ("NASNetMobile", "NASNetMobile", 64, {}, RATE),
)
WITH_SCALING = ("MobileNetV3Small", "EfficientNetV2B0", "ConvNeXtTiny")
BATCH = 4


def add(name, builder, edge, options, rate):
    # Eager mode runs the same kernels one by one, thousands for these nets, most of the time in Python: one does for all.
    quick = name == "MobileNetV3Small"

    @model(name, steps=3, modes=("graph", "eager") if quick else ("graph",), eager_steps=2, quick=quick)
    def train(job):
        net = getattr(keras.applications, builder)(
            weights=None, classes=10, input_shape=(edge, edge, 3), classifier_activation=None, **options
        )
        x, y = images(2 * BATCH, edge)
        if builder in WITH_SCALING:
            x = 127.5 + 64 * x
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        optimizer = keras.optimizers.SGD(rate, momentum=0.9)
        if job.half:
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=SCALE[rate])
        job.fit(net, x, y, loss, BATCH, optimizer)
        return net.predict(x[:BATCH], verbose=0)


for family in FAMILIES:
    add(*family)
