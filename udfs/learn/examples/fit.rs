//! Fits a step to a file of doubles and prints seconds and numbers: `fit STEP ROWS COLUMNS FILE [ARGUMENT [SEED]]`.
//!
//! The file has x row by row, then y. With `PARTS=2` that many threads look at as many parts of the rows.

use std::error::Error;
use std::time::Instant;

use pixmill_learn::{Estimator, Fitted, Rows};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [step, rows, columns, file, rest @ ..] = &arguments[..] else {
        return Err("see the file's first lines".into());
    };
    let (rows, columns): (usize, usize) = (rows.parse()?, columns.parse()?);
    let bytes = std::fs::read(file)?;
    let (words, _) = bytes.as_chunks::<8>();
    let numbers: Vec<f64> = words.iter().map(|word| f64::from_le_bytes(*word)).collect();
    let (x, y) = numbers.split_at(rows * columns);
    let classes = y.iter().fold(0.0, |largest: f64, y| largest.max(*y)) as usize + 1;
    let argument = rest.first().map_or(Ok(1.0), |argument| argument.parse::<f64>())?;
    let seed = rest.get(1).map_or(Ok(1), |seed| seed.parse())?;
    let estimator = match &step[..] {
        "kmeans" => Estimator::KMeans { k: argument as usize, seed },
        "logistic_regression" => Estimator::LogisticRegression { classes, l2: argument },
        "one_vs_rest" => Estimator::OneVsRest { classes, l2: argument },
        _ => Estimator::LinearRegression,
    };
    let parts = std::env::var("PARTS").map_or(Ok(1), |parts| parts.parse::<usize>())?;
    let start = Instant::now();
    let fitted = fit(&estimator, x, y, columns, rows.div_ceil(parts))?;
    println!("{:.3} s, {} rounds, converged {}", start.elapsed().as_secs_f64(), fitted.rounds, fitted.converged);
    for numbers in &fitted.numbers {
        let values = &numbers.values[..numbers.values.len().min(if rest.len() > 2 { usize::MAX } else { 6 })];
        println!("{} {:?}", numbers.name, values);
    }
    fitted.notes.iter().for_each(|note| println!("{note}"));
    Ok(())
}

fn fit(
    estimator: &Estimator,
    x: &[f64],
    y: &[f64],
    columns: usize,
    rows: usize,
) -> Result<Fitted, pixmill_learn::Error> {
    let mut fitting = estimator.fitting((1..=columns).map(|column| format!("x{column}")).collect())?;
    while let Some(pass) = fitting.pass() {
        let begin = Instant::now();
        let mut all = pass.sums();
        std::thread::scope(|scope| {
            let parts = x.chunks(rows * columns).zip(y.chunks(rows));
            let threads: Vec<_> = parts
                .map(|(x, y)| {
                    scope.spawn(move || {
                        let mut sums = pass.sums();
                        for (x, y) in x.chunks(8192 * columns).zip(y.chunks(8192)) {
                            pass.add(&mut sums, Rows { x, columns, y });
                        }
                        sums
                    })
                })
                .collect();
            for thread in threads {
                if let Ok(sums) = thread.join() {
                    all.merge(&sums);
                }
            }
        });
        let passed = begin.elapsed().as_secs_f64();
        fitting.take(&all)?;
        if std::env::var_os("TRACE").is_some() {
            eprintln!("{passed:.3} s, then {:.3} s: {:?}", begin.elapsed().as_secs_f64() - passed, fitting.progress());
        }
    }
    fitting.finish()
}
