//! Gradients against finite differences, shapes, and what steps do.

use super::*;

/// Numbers from -1 to 1.
fn numbers(count: usize, seed: u64) -> Vec<f64> {
    (0..count as u64).map(|number| 2.0 * unit(mix(mix(seed) ^ number)) - 1.0).collect()
}

/// Compares every gradient of a network with what a small change of the weight does to the loss, in doubles.
fn check(input: Shape, layers: &[Layer], loss: Loss) {
    const CHANGE: f64 = 1e-5;
    let network = Network::new(input, layers).expect("a network");
    let mut weights: Vec<f64> = network.initial(3);
    // Constants that are 0 and factors that are 1 would hide what is wrong with them.
    weights.iter_mut().zip(numbers(network.weights(), 4)).for_each(|(weight, number)| *weight += 0.3 * number);
    let rows = 5;
    let x = numbers(rows * input.numbers(), 5);
    let targets = match loss {
        Loss::CrossEntropy => (0..rows).map(|row| (row % network.outputs()) as f64).collect(),
        Loss::SquaredError => numbers(rows * network.outputs(), 6),
    };
    let mut work = network.work();
    work.gradients(loss, &weights, &x, &targets, 7);
    let gradients = work.gradients.clone();
    let mut trained = 0;
    for place in 0..weights.len() {
        let mut at = |change: f64| {
            let mut weights = weights.clone();
            weights[place] += change;
            work.gradients(loss, &weights, &x, &targets, 7) / rows as f64
        };
        let expected = (at(CHANGE) - at(-CHANGE)) / (2.0 * CHANGE);
        let (found, scale) = (gradients[place], expected.abs().max(1e-3));
        assert!((found - expected).abs() <= 1e-6 * scale.max(1.0), "weight {place}: {found}, expected {expected}");
        trained += usize::from(found != 0.0);
    }
    assert!(trained * 3 >= weights.len(), "{trained} of {} gradients are not 0", weights.len());
}

const IMAGE: Shape = Shape::Image { height: 7, width: 6, channels: 2 };

fn conv(filters: usize, size: usize) -> Layer {
    Layer::Conv { filters, size, stride: 1, padding: Padding::Valid }
}

#[test]
fn gradients_of_lists_are_those_of_small_changes() {
    for loss in [Loss::CrossEntropy, Loss::SquaredError] {
        check(Shape::List(4), &[Layer::Dense { units: 3 }], loss);
        check(Shape::List(4), &[Layer::Dense { units: 6 }, Layer::Relu, Layer::Dense { units: 3 }], loss);
        let dropout = Layer::Dropout { rate: 0.4 };
        check(Shape::List(4), &[Layer::Dense { units: 9 }, dropout, Layer::Relu, Layer::Dense { units: 3 }], loss);
        check(Shape::List(4), &[Layer::Dense { units: 5 }, Layer::BatchNorm, Layer::Dense { units: 3 }], loss);
    }
}

#[test]
fn gradients_of_images_are_those_of_small_changes() {
    let end = [Layer::Flatten, Layer::Dense { units: 3 }];
    let with = |layers: &[Layer]| check(IMAGE, &[layers, &end].concat(), Loss::CrossEntropy);
    with(&[conv(3, 3)]);
    with(&[conv(2, 2), Layer::Relu, conv(3, 3)]);
    for padding in [Padding::Valid, Padding::Same] {
        for (size, stride) in [(1, 1), (2, 1), (3, 1), (3, 2), (4, 3), (5, 2)] {
            let other = Layer::Conv { filters: 2, size, stride, padding };
            with(&[conv(2, 2), other]);
        }
    }
    // A border is left over.
    with(&[conv(3, 2), Layer::MaxPool { size: 2 }]);
    with(&[conv(3, 2), Layer::AveragePool { size: 2 }]);
    with(&[conv(3, 2), Layer::AveragePool { size: 5 }]);
    with(&[conv(3, 3), Layer::BatchNorm, Layer::Relu, Layer::MaxPool { size: 3 }]);
}

/// As many zeros as the windows reach beyond the image, half of them, rounded down, before it (TensorFlow's "SAME").
#[test]
fn windows_of_same_padding_stand_where_tensorflow_has_them() {
    let sums = |size: usize, stride: usize, side: usize| {
        let layers = [Layer::Conv { filters: 1, size, stride, padding: Padding::Same }];
        let network = Network::new(Shape::Image { height: side, width: 1, channels: 1 }, &layers).expect("a network");
        let mut weights = vec![1.0_f64; network.weights()];
        *weights.last_mut().expect("a constant") = 0.0;
        // Each row is its number, so that sums tell which rows a window has.
        let x: Vec<f64> = (1..=side).map(|row| row as f64).collect();
        network.work().outputs(&weights, &x).to_vec()
    };
    assert_eq!(sums(3, 1, 4), [3.0, 6.0, 9.0, 7.0]);
    assert_eq!(sums(2, 1, 4), [3.0, 5.0, 7.0, 4.0]);
    assert_eq!(sums(3, 2, 4), [6.0, 7.0]);
    assert_eq!(sums(3, 2, 5), [3.0, 9.0, 9.0]);
    assert_eq!(sums(2, 3, 7), [3.0, 9.0, 7.0]);
}

#[test]
fn layers_that_do_not_fit_are_refused_by_number_and_name() {
    let refused = |input: Shape, layers: &[Layer]| Network::new(input, layers).expect_err("refused").to_string();
    assert_eq!(
        refused(IMAGE, &[conv(3, 3), Layer::Dense { units: 2 }]),
        "layer 2, dense: it takes a list, got an image of 5x4x3; put flatten() before it"
    );
    assert_eq!(refused(IMAGE, &[conv(3, 8)]), "layer 1, conv: windows of 8x8 don't fit into an image of 7x6x2");
    assert_eq!(
        refused(Shape::List(3), &[Layer::MaxPool { size: 2 }]),
        "layer 1, max_pool: it takes an image, got a list of 3 numbers"
    );
    assert_eq!(refused(IMAGE, &[Layer::MaxPool { size: 0 }]), "layer 1, max_pool: size must be 1 or more, got 0");
    assert_eq!(
        refused(Shape::List(3), &[Layer::Dropout { rate: 1.0 }]),
        "layer 1, dropout: rate must be from 0 to below 1, got 1"
    );
    assert_eq!(refused(IMAGE, &[Layer::Flatten]), "a network needs a layer with weights, such as dense(10), got none");
    let large = refused(IMAGE, &[Layer::Flatten, Layer::Dense { units: usize::MAX / 4 }]);
    assert!(large.starts_with("layer 2, dense: ") && large.ends_with(" are too many"), "{large}");
}

/// The network of the assignment.
#[test]
fn shapes_and_weights_of_the_assignments_network_are_those_of_keras() {
    let pool = Layer::MaxPool { size: 2 };
    let layers = [
        conv(32, 3),
        Layer::Relu,
        pool,
        conv(64, 3),
        Layer::Relu,
        pool,
        conv(64, 3),
        Layer::Relu,
        Layer::Flatten,
        Layer::Dense { units: 64 },
        Layer::Relu,
        Layer::Dense { units: 10 },
    ];
    let network = Network::new(Shape::Image { height: 32, width: 32, channels: 3 }, &layers).expect("a network");
    let shapes: Vec<String> = network.layers().iter().map(|placed| placed.output.to_string()).collect();
    let expected = "30x30x32 30x30x32 15x15x32 13x13x64 13x13x64 6x6x64 4x4x64 4x4x64 1024 64 64 10";
    assert_eq!(shapes.join(" "), expected);
    assert_eq!(network.weights(), 122_570);
}

/// Keras 3.15 on TensorFlow 2.21: `python3 tests/python/network.py`.
#[test]
fn steps_and_outputs_are_those_of_keras() {
    let layers = [
        Layer::Conv { filters: 3, size: 3, stride: 2, padding: Padding::Same },
        Layer::BatchNorm,
        Layer::Relu,
        conv(4, 2),
        Layer::MaxPool { size: 2 },
        Layer::Flatten,
        Layer::Dense { units: 3 },
    ];
    let network = Network::new(IMAGE, &layers).expect("a network");
    let wave = |number: usize| (number as f64 + 1.0).sin() * 0.5;
    let mut first: Vec<f64> = (0..network.weights()).map(wave).collect();
    assert_eq!(first.len(), 136);
    // Variances are above 0.
    first[66..69].iter_mut().for_each(|variance| *variance = variance.abs());
    let x: Vec<f64> = (1..=5 * 84).map(|number| f64::from(number).cos()).collect();
    let classes = [0.0, 2.0, 1.0, 0.0, 1.0];
    let close = |found: &[f64], expected: &[f64], bound: f64| {
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() <= bound, "{found}, expected {expected}");
        }
    };
    let mut work = network.work();
    close(&work.outputs(&first, &x)[3..6], &[0.3198929225019861, 0.059320239497721354, -0.2557911981314478], 1e-12);
    let mut check = |optimizer: Optimizer, losses: [f64; 3], weights: [f64; 9], logits: [f64; 3]| {
        // Keras has Adam's constants in single precision, whatever the weights are in: 0.999 is 1.3e-8 more.
        let bound = if optimizer == Optimizer::Adam { 1e-6 } else { 1e-9 };
        let (mut own, mut moments) = (first.clone(), optimizer.moments(first.len()));
        for loss in losses {
            let step = Step { loss: Loss::CrossEntropy, optimizer, rate: 0.01, seed: 1 };
            close(&[work.step(step, &mut own, &mut moments, &x, &classes) / 5.0], &[loss], bound);
        }
        close(&[0, 30, 57, 60, 63, 66, 70, 120, 134].map(|place| own[place]), &weights, bound);
        close(&work.outputs(&own, &x)[3..6], &logits, bound);
    };
    check(
        Optimizer::Adam,
        [1.075914378493056, 1.0569425277227875, 1.0522280183403472],
        [
            0.44818116452464524,
            -0.22834647873925112,
            0.4682951819502287,
            -0.5130272710699915,
            0.4316550471409485,
            0.41757793495515094,
            0.5002198224510922,
            0.4696275318591919,
            0.07392132277658783,
        ],
        [0.28645362894828585, 0.1164052783881596, -0.3290951254950004],
    );
    check(
        Optimizer::Sgd { momentum: 0.9 },
        [1.075914378493056, 1.0750645113417467, 1.073287877231929],
        [
            0.42436217836978374,
            -0.2051309728571046,
            0.4937540538138642,
            -0.48475131207321265,
            0.4316489055277017,
            0.41715749267124863,
            0.4760761716943058,
            0.4990941446869613,
            0.0480234858390222,
        ],
        [0.31591428907829416, 0.06655898742647251, -0.2577221391455125],
    );
}

/// Images of 12x12 with a bright square in one of four corners, and noise.
fn corners(rows: usize, seed: u64) -> (Vec<f32>, Vec<f32>) {
    let mut x: Vec<f32> = numbers(rows * 144, seed).into_iter().map(|number| number as f32 * 0.5).collect();
    let classes: Vec<f32> = (0..rows).map(|row| (mix(seed ^ row as u64) % 4) as f32).collect();
    for (image, class) in x.chunks_exact_mut(144).zip(&classes) {
        let (top, left) = (*class as usize / 2 * 7, *class as usize % 2 * 7);
        for pixel in 0..16 {
            image[(top + pixel / 4) * 12 + left + pixel % 4] += 0.7;
        }
    }
    (x, classes)
}

fn trained(layers: &[Layer], optimizer: Optimizer, rate: f64) -> (Vec<f32>, f64) {
    let network = Network::new(Shape::Image { height: 12, width: 12, channels: 1 }, layers).expect("a network");
    let mut weights = network.initial(1);
    let mut moments = optimizer.moments(weights.len());
    let mut work = network.work();
    let (x, classes) = corners(512, 2);
    for _ in 0..6 {
        // The last batch is smaller.
        for (x, classes) in x.chunks(30 * 144).zip(classes.chunks(30)) {
            let step = Step { loss: Loss::CrossEntropy, optimizer, rate, seed: 3 };
            work.step(step, &mut weights, &mut moments, x, classes);
        }
    }
    let (x, classes) = corners(400, 9);
    let logits = work.outputs(&weights, &x);
    let right = logits.chunks_exact(4).zip(&classes).filter(|(logits, class)| {
        let most = (0..4).max_by(|a, b| logits[*a].total_cmp(&logits[*b])).expect("a class");
        most == **class as usize
    });
    let share = right.count() as f64 / classes.len() as f64;
    (weights, share)
}

#[test]
fn networks_learn_what_can_be_seen_with_the_same_bits_each_time() {
    let end = [Layer::Flatten, Layer::Dense { units: 16 }, Layer::Relu, Layer::Dense { units: 4 }];
    let ways: [&[Layer]; 3] = [
        &[conv(8, 3), Layer::Relu, Layer::MaxPool { size: 2 }],
        &[conv(8, 3), Layer::BatchNorm, Layer::Relu, Layer::AveragePool { size: 2 }, Layer::Dropout { rate: 0.2 }],
        &[Layer::Conv { filters: 6, size: 3, stride: 2, padding: Padding::Same }, Layer::Relu],
    ];
    for layers in ways {
        for (optimizer, rate) in [(Optimizer::Adam, 0.003), (Optimizer::Sgd { momentum: 0.9 }, 0.03)] {
            let layers = [layers, &end].concat();
            let (weights, share) = trained(&layers, optimizer, rate);
            assert!(share > 0.97, "{layers:?} by {optimizer:?}: {share} right");
            let bits = |weights: &[f32]| -> Vec<u32> { weights.iter().map(|weight| weight.to_bits()).collect() };
            assert_eq!(bits(&trained(&layers, optimizer, rate).0), bits(&weights));
        }
    }
}

#[test]
fn a_loss_that_is_no_number_is_told() {
    let network = Network::new(Shape::List(2), &[Layer::Dense { units: 2 }, Layer::Relu]).expect("a network");
    let mut weights: Vec<f32> = network.initial(1);
    let mut moments = Optimizer::Adam.moments(weights.len());
    let step = Step { loss: Loss::CrossEntropy, optimizer: Optimizer::Adam, rate: 0.1, seed: 1 };
    let loss = network.work().step(step, &mut weights, &mut moments, &[f32::NAN, 1.0], &[1.0]);
    assert!(loss.is_nan());
}
