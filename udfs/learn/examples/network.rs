//! Trains the network of the CIFAR-10 tutorials on a binary batch and prints losses, accuracy and images a second:
//! `network FILE ROWS TESTED EPOCHS [SEED]`.
//!
//! The file has a byte for the label and 3,072 for red, green and blue of 32x32 pixels, row after row; the last TESTED rows are not learned from.
//! With `WORKERS=5` as many parts of the rows are trained on one after the other, and averaged after each epoch.

use std::error::Error;
use std::time::Instant;

use pixmill_learn::network::{Average, Layer, Loss, Moments, Network, Optimizer, Padding, Shape, Step, Worker};

const IMAGE: usize = 3072;
const BATCH: usize = 32;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, rows, tested, epochs, rest @ ..] = &arguments[..] else {
        return Err("see the file's first lines".into());
    };
    let (rows, tested, epochs): (usize, usize, u64) = (rows.parse()?, tested.parse()?, epochs.parse()?);
    let seed = rest.first().map_or(Ok(1), |seed| seed.parse::<u64>())?;
    let workers = std::env::var("WORKERS").map_or(Ok(1), |workers| workers.parse::<usize>())?;
    let bytes = std::fs::read(file)?;
    let (mut x, mut classes) = (Vec::new(), Vec::new());
    for row in bytes.chunks_exact(IMAGE + 1).take(rows) {
        classes.push(f32::from(row[0]));
        let pixels = &row[1..];
        x.extend((0..IMAGE).map(|place| f32::from(pixels[place % 3 * 1024 + place / 3]) / 255.0));
    }
    let learned = classes.len() - tested;
    let conv = |filters| Layer::Conv { filters, size: 3, stride: 1, padding: Padding::Valid };
    let pool = Layer::MaxPool { size: 2 };
    let layers = [
        conv(32),
        Layer::Relu,
        pool,
        conv(64),
        Layer::Relu,
        pool,
        conv(64),
        Layer::Relu,
        Layer::Flatten,
        Layer::Dense { units: 64 },
        Layer::Relu,
        Layer::Dense { units: 10 },
    ];
    let network = Network::new(Shape::Image { height: 32, width: 32, channels: 3 }, &layers)?;
    let mut weights: Vec<f32> = network.initial(seed);
    let mut moments: Moments<f32> = Optimizer::Adam.moments(weights.len());
    let mut work = network.work();
    for epoch in 0..epochs {
        let start = Instant::now();
        let mut average = Average::default();
        for (number, part) in parts(learned, workers, seed, epoch).into_iter().enumerate() {
            let (mut own, mut own_moments, mut loss) = (weights.clone(), moments.clone(), 0.0);
            let (mut images, mut targets) = (Vec::new(), Vec::new());
            for batch in part.chunks(BATCH) {
                images.clear();
                targets.clear();
                for row in batch {
                    images.extend_from_slice(&x[row * IMAGE..(row + 1) * IMAGE]);
                    targets.push(classes[*row]);
                }
                let step = Step { loss: Loss::CrossEntropy, optimizer: Optimizer::Adam, rate: 0.001, seed };
                loss += work.step(step, &mut own, &mut own_moments, &images, &targets);
            }
            let worker = Worker { rows: part.len() as u64, loss, weights: own, moments: own_moments };
            average.add(number as u64, worker);
        }
        let Some(result) = average.result() else { return Err("there are no rows".into()) };
        let seconds = start.elapsed().as_secs_f64();
        (weights, moments) = (result.weights, result.moments);
        let mut right = 0;
        for (x, classes) in x[learned * IMAGE..].chunks(100 * IMAGE).zip(classes[learned..].chunks(100)) {
            let logits = work.outputs(&weights, x);
            for (logits, class) in logits.chunks_exact(10).zip(classes) {
                let most = (0..10).max_by(|a, b| logits[*a].total_cmp(&logits[*b])).unwrap_or_default();
                right += usize::from(most == *class as usize);
            }
        }
        println!(
            "epoch {}: loss {:.4}, {:.4} right of {tested}, {:.2} s, {:.0} images/s",
            epoch + 1,
            result.loss / learned as f64,
            right as f64 / tested.max(1) as f64,
            seconds,
            learned as f64 / seconds
        );
    }
    Ok(())
}

/// The rows of each worker, shuffled.
fn parts(rows: usize, workers: usize, seed: u64, epoch: u64) -> Vec<Vec<usize>> {
    let size = rows.div_ceil(workers.max(1)).max(1);
    let shuffled = |part: &[usize]| {
        let mut part = part.to_vec();
        let mut state =
            seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ epoch.wrapping_mul(0xd134_2543_de82_ef95) ^ part[0] as u64;
        for last in (1..part.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            part.swap(last, (state >> 33) as usize % (last + 1));
        }
        part
    };
    (0..rows).collect::<Vec<_>>().chunks(size).map(shuffled).collect()
}
