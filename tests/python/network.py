"""What Keras makes of a small network: the values of udfs/learn/src/network/tests.rs.

pip install tensorflow-cpu==2.21.0
"""

import keras
import numpy as np
import tensorflow as tf

keras.config.set_floatx("float64")


def numbers(count, wave):
    return wave(np.arange(1, count + 1, dtype="float64"))


def network():
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((7, 6, 2)),
            layers.Conv2D(3, 3, strides=2, padding="same"),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Conv2D(4, 2),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(3),
        ]
    )
    count = 0
    weights = []
    for weight in model.get_weights():
        size = weight.size
        values = np.sin(np.arange(count + 1, count + size + 1, dtype="float64")) * 0.5
        # Variances are above 0.
        weights.append((np.abs(values) if len(weights) == 5 else values).reshape(weight.shape))
        count += size
    model.set_weights(weights)
    return model


x = np.cos(np.arange(1, 5 * 84 + 1, dtype="float64")).reshape(5, 7, 6, 2)
classes = np.array([0, 2, 1, 0, 1])
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

print("logits", network()(x, training=False).numpy()[1].tolist())
for name, optimizer in [("adam", keras.optimizers.Adam(0.01)), ("sgd", keras.optimizers.SGD(0.01, momentum=0.9))]:
    model = network()
    losses = []
    for _ in range(3):
        with tf.GradientTape() as tape:
            value = loss(classes, model(x, training=True))
        gradients = tape.gradient(value, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables))
        losses.append(float(value))
    flat = np.concatenate([weight.ravel() for weight in model.get_weights()])
    print(name, "losses", losses)
    print(name, "weights", [float(flat[place]) for place in (0, 30, 57, 60, 63, 66, 70, 120, 134)], len(flat))
    print(name, "logits", model(x, training=False).numpy()[1].tolist())
