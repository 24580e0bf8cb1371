//! Logistic regression, against scikit-learn and numpy: `data/references.py` made the numbers.

#![allow(clippy::unwrap_used, reason = "what is unwrapped is what is tested")]

mod support;

use pixmill_learn::{Error, Estimator, Predictor};
use support::{Table, assert_close, clouds, fit, iris, normal, numbers, uniform};

fn logistic(classes: usize, l2: f64) -> Estimator {
    Estimator::LogisticRegression { classes, l2 }
}

/// The last two species.
fn two_species() -> Table {
    let iris = iris();
    Table { x: iris.x[200..].to_vec(), columns: 4, y: iris.y[50..].iter().map(|class| class - 1.0).collect() }
}

#[test]
fn two_species_are_told_apart_as_by_scikit_learn() {
    let fitted = fit(&logistic(2, 1.0), &two_species()).unwrap();
    assert!(fitted.converged);
    assert_close(
        numbers(&fitted, "coefficients"),
        &[-0.3944334785720546, -0.5132774044284317, 2.9307513838533588, 2.417032188337007],
        1e-11,
    );
    assert_close(numbers(&fitted, "intercepts"), &[-14.430758180168715], 1e-11);
    assert_close(
        numbers(&fitted, "standard_errors"),
        &[0.6088606158359018, 0.7747397852880551, 0.674997159928695, 0.7981665579631596],
        1e-10,
    );
    assert_close(numbers(&fitted, "intercept_standard_errors"), &[4.160390946472855], 1e-10);
}

#[test]
fn a_small_penalty_gives_the_coefficients_of_scikit_learn() {
    let fitted = fit(&logistic(2, 1e-6), &two_species()).unwrap();
    assert!(fitted.converged);
    assert_close(
        numbers(&fitted, "coefficients"),
        &[-2.4652204880638777, -6.680050634787705, 9.428724122375469, 18.283978326033495],
        1e-8,
    );
    assert_close(numbers(&fitted, "intercepts"), &[-42.63328898672674], 1e-8);
    assert_close(
        numbers(&fitted, "standard_errors"),
        &[2.3942014702932912, 4.47890002743119, 4.73662528923272, 9.740726766219383],
        1e-8,
    );
    assert_close(numbers(&fitted, "intercept_standard_errors"), &[25.70349000725062], 1e-8);
}

#[test]
fn three_species_are_told_apart_as_by_scikit_learn() {
    let fitted = fit(&logistic(3, 1.0), &iris()).unwrap();
    assert!(fitted.converged);
    assert_close(
        numbers(&fitted, "coefficients"),
        &[
            -0.42350992012271865,
            0.9673505795715505,
            -2.5171523776092135,
            -1.0793366485007196,
            0.5344615089959172,
            -0.3215878551919336,
            -0.20639207129487375,
            -0.9442984653963399,
            -0.11095158887321366,
            -0.6457627243796299,
            2.7235444489040708,
            2.023635113897059,
        ],
        1e-11,
    );
    assert_close(numbers(&fitted, "intercepts"), &[9.849568050482082, 2.237205632203144, -12.086773682685372], 1e-11);
    assert_close(
        numbers(&fitted, "standard_errors"),
        &[
            0.9070055191151842,
            0.8846083606004955,
            0.7647597950444472,
            0.9512096513751516,
            0.7532934377333655,
            0.7849651815047172,
            0.7121857763726398,
            0.8497098367823731,
            0.7700760149626998,
            0.840222363535551,
            0.778234816749119,
            0.8644341772392431,
        ],
        1e-10,
    );
    assert_close(
        numbers(&fitted, "intercept_standard_errors"),
        &[3.986997932998619, 2.641383014570592, 3.3339698137008518],
        1e-10,
    );
}

#[test]
fn three_species_with_a_small_penalty_have_the_coefficients_of_scikit_learn() {
    let fitted = fit(&logistic(3, 1e-6), &iris()).unwrap();
    assert!(fitted.converged);
    assert_close(
        numbers(&fitted, "coefficients"),
        &[
            -1.1977023890096687,
            6.958676738517716,
            -12.314812560365,
            -7.627487241829159,
            1.8314553458077083,
            -0.1392292779854399,
            1.4429999633304644,
            -5.328478117611275,
            -0.6337529504145548,
            -6.819447457136768,
            10.871812603900068,
            12.955965362710097,
        ],
        1e-8,
    );
    assert_close(numbers(&fitted, "intercepts"), &[34.14625925275277, 4.2439240526388735, -38.390183242439925], 1e-8);
    assert_close(
        numbers(&fitted, "standard_errors"),
        &[
            840.2362982034955,
            734.1546990620689,
            712.5486691483185,
            872.9380213835752,
            653.0699050010057,
            620.2802361813477,
            613.9488909126931,
            663.7178579004178,
            653.070482264735,
            620.2854329556612,
            613.9550314295185,
            663.7291948386033,
        ],
        1e-6,
    );
    assert_close(
        numbers(&fitted, "intercept_standard_errors"),
        &[3007.125504778442, 1503.5796966900457, 1503.6556626292966],
        1e-6,
    );
}

#[test]
fn ten_classes_are_told_apart_as_by_scikit_learn() {
    let fitted = fit(&logistic(10, 1.0), &clouds(600, 16, 10, 4.0, 7)).unwrap();
    assert!(fitted.converged && fitted.rounds <= 12, "{} rounds", fitted.rounds);
    let coefficients = numbers(&fitted, "coefficients");
    assert_close(
        &coefficients[..16],
        &[
            0.22129280055997513,
            -0.8100412823649384,
            0.047010543324143034,
            0.7607840266559336,
            0.6507688888421754,
            0.6733716452974188,
            0.5858082291831962,
            0.32803860075624364,
            -0.21679694375816586,
            0.009534634026300438,
            -0.6026265542361694,
            -0.4739891808895114,
            0.4335244532939576,
            0.05394552819156284,
            -0.3792553652241256,
            -0.34628797631425445,
        ],
        1e-9,
    );
    assert_close(
        &coefficients[144..],
        &[
            -0.2641486085954781,
            -0.4602435559490354,
            0.04067045516291301,
            0.6590309360309723,
            -0.4780940590905685,
            -0.6367789314079212,
            -0.4530068219160634,
            0.5090933756645151,
            0.8025433085529461,
            0.08099140787382776,
            -0.14599149557886237,
            0.4158877972522652,
            -0.48058763802240717,
            -0.6660259357070835,
            -0.093124731682179,
            -0.3862018517351049,
        ],
        1e-9,
    );
    let intercepts = numbers(&fitted, "intercepts");
    assert_close(&[intercepts[0], intercepts[9]], &[0.13373599134340763, 0.7791406142259583], 1e-9);
    assert_close(
        &numbers(&fitted, "standard_errors")[..16],
        &[
            0.7439303872804893,
            0.7328240642817495,
            0.6808782226096239,
            0.674130895058247,
            0.7252329148459715,
            0.6951806614151372,
            0.7212096727289512,
            0.7154041867226028,
            0.6580347649571144,
            0.7326381403889205,
            0.7174223490795771,
            0.6964812629656378,
            0.6821671643367498,
            0.723667835902579,
            0.7133583928514503,
            0.7337750292701811,
        ],
        1e-9,
    );
    assert_close(&numbers(&fitted, "intercept_standard_errors")[..1], &[1.8431092796563748], 1e-9);
}

#[test]
fn one_against_the_rest_has_the_probabilities_of_scikit_learn() {
    let iris = iris();
    let fitted = fit(&Estimator::OneVsRest { classes: 3, l2: 1.0 }, &iris).unwrap();
    let predictor = Predictor::new("one_vs_rest", &fitted.numbers).unwrap();
    let rows = [iris.row(0), iris.row(60), iris.row(133)].concat();
    let (mut probabilities, mut classes) = (Vec::new(), Vec::new());
    assert!(predictor.probabilities(&rows, &mut probabilities));
    predictor.predict(&rows, &mut classes);
    assert_close(
        &probabilities,
        &[
            0.8968085591529861,
            0.10319036856634564,
            1.0722806681737246e-06,
            0.06163524995321843,
            0.9288297075485693,
            0.009535042498212232,
            0.0009205560626580057,
            0.4901695956256153,
            0.5089098483117268,
        ],
        1e-10,
    );
    assert_eq!(classes, [0.0, 1.0, 2.0]);
    assert_eq!(numbers(&fitted, "rounds").len(), 3);
}

#[test]
fn probabilities_sum_to_1_and_the_likeliest_class_is_predicted() {
    for (estimator, table) in [(logistic(2, 1.0), two_species()), (logistic(3, 1.0), iris())] {
        let fitted = fit(&estimator, &table).unwrap();
        let predictor = Predictor::new("logistic_regression", &fitted.numbers).unwrap();
        let (mut probabilities, mut classes) = (Vec::new(), Vec::new());
        assert!(predictor.probabilities(&table.x, &mut probabilities));
        predictor.predict(&table.x, &mut classes);
        let mut loss = 0.0;
        let rows = probabilities.chunks_exact(probabilities.len() / table.rows());
        for ((row, own), class) in rows.zip(&table.y).zip(&classes) {
            assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-15);
            assert!(row.iter().all(|probability| *probability <= row[*class as usize]));
            loss -= row[*own as usize].ln();
        }
        assert_close(numbers(&fitted, "log_loss"), &[loss / table.rows() as f64], 1e-13);
    }
}

#[test]
fn columns_far_from_0_lose_few_digits() {
    let mut table = two_species();
    let near = fit(&logistic(2, 0.0), &table).unwrap();
    table.x.iter_mut().for_each(|value| *value += 1_048_576.0);
    let far = fit(&logistic(2, 0.0), &table).unwrap();
    assert_close(numbers(&far, "coefficients"), numbers(&near, "coefficients"), 1e-6);
    assert_close(numbers(&far, "standard_errors"), numbers(&near, "standard_errors"), 1e-6);
}

#[test]
fn many_parameters_come_to_the_same_end_as_few() {
    // 3 x 601 parameters go by L-BFGS; all but 4 columns are 0, which a penalty leaves alone.
    let small = clouds(400, 4, 3, 3.0, 3);
    let mut wide = Table { x: Vec::new(), columns: 600, y: small.y.clone() };
    for row in small.x.chunks_exact(4) {
        wide.x.extend_from_slice(row);
        wide.x.extend([0.0; 596]);
    }
    let (small, wide) = (fit(&logistic(3, 1.0), &small).unwrap(), fit(&logistic(3, 1.0), &wide).unwrap());
    assert!(wide.converged, "{} rounds", wide.rounds);
    let (ours, theirs) = (numbers(&wide, "coefficients"), numbers(&small, "coefficients"));
    for (ours, theirs) in ours.chunks_exact(600).zip(theirs.chunks_exact(4)) {
        assert_close(&ours[..4], theirs, 1e-6);
        assert!(ours[4..].iter().all(|value| *value == 0.0));
    }
    assert_close(numbers(&wide, "log_loss"), numbers(&small, "log_loss"), 1e-9);
    assert!(numbers(&wide, "standard_errors").iter().all(|value| value.is_nan()));
    assert_eq!(wide.notes, ["standard errors are there for up to 1500 parameters"]);
}

#[test]
fn classes_that_can_be_separated_are_an_error_without_a_penalty() {
    let step = "logistic_regression";
    let rows = Table { x: vec![1.0, 2.0, 3.0, 4.0], columns: 1, y: vec![0.0, 0.0, 1.0, 1.0] };
    assert_eq!(fit(&logistic(2, 0.0), &rows).unwrap_err(), Error::Separated { step, class: None });
    assert!(fit(&logistic(2, 1.0), &rows).unwrap().converged);
    // The rows in the middle are of both classes.
    let touching = Table { x: vec![1.0, 2.0, 2.0, 3.0], columns: 1, y: vec![0.0, 0.0, 1.0, 1.0] };
    assert_eq!(fit(&logistic(2, 0.0), &touching).unwrap_err(), Error::Separated { step, class: None });
    assert_eq!(fit(&logistic(3, 0.0), &iris()).unwrap_err(), Error::Separated { step, class: None });
    let error = fit(&Estimator::OneVsRest { classes: 3, l2: 0.0 }, &iris()).unwrap_err();
    assert_eq!(error, Error::Separated { step: "one_vs_rest", class: Some(0) });
    assert_eq!(
        error.to_string(),
        "one_vs_rest: the classes can be separated without an error (class 0 from all others), so that coefficients grow without end; \
         add a penalty, as l2 => 1.0"
    );
}

#[test]
fn a_column_that_says_nothing_new_is_named_without_a_penalty() {
    let with = |last: &dyn Fn(&[f64]) -> f64| {
        let two = two_species();
        let x = two.x.chunks_exact(4).flat_map(|row| row.iter().copied().chain([last(row)]).collect::<Vec<_>>());
        Table { x: x.collect(), columns: 5, y: two.y.clone() }
    };
    let error = |table: &Table| fit(&logistic(2, 0.0), table).unwrap_err().to_string();
    assert_eq!(
        error(&with(&|_| 7.0)),
        "logistic_regression: column 'x5' is constant; leave it out, or add a penalty, as l2 => 1.0"
    );
    assert_eq!(
        error(&with(&|row| row[0] + 2.0 * row[1] - 3.0)),
        "logistic_regression: column 'x5' is a linear combination of the columns before it; \
         leave it out, or add a penalty, as l2 => 1.0"
    );
    assert!(fit(&logistic(2, 1.0), &with(&|_| 7.0)).unwrap().converged);
}

#[test]
fn labels_that_tell_nothing_apart_are_errors() {
    let rows = |y: &[f64]| Table { x: (0..y.len()).map(|index| index as f64).collect(), columns: 1, y: y.to_vec() };
    let error = |classes, y: &[f64]| fit(&logistic(classes, 1.0), &rows(y)).unwrap_err();
    let step = "logistic_regression";
    assert_eq!(error(2, &[0.0, 0.0]), Error::TooFewClasses { step, got: 1 });
    assert_eq!(error(1, &[0.0, 0.0]), Error::TooFewClasses { step, got: 1 });
    assert_eq!(error(3, &[0.0, 2.0]), Error::EmptyClass { step, class: 1, classes: 3 });
    assert_eq!(error(2, &[0.0, 2.0]), Error::Label { step, classes: 2 });
    assert_eq!(error(2, &[0.0, 0.5, 1.0]), Error::Label { step, classes: 2 });
    assert_eq!(error(2, &[]), Error::NoRows { step });
    assert!(matches!(error(1_000_000_000, &[0.0]), Error::TooLarge { .. }));
    for l2 in [-1.0, f64::NAN, f64::INFINITY] {
        assert!(matches!(fit(&logistic(2, l2), &rows(&[0.0, 1.0])).unwrap_err(), Error::Argument { .. }));
    }
}

#[test]
fn a_rare_class_and_columns_of_all_sizes_are_fitted() {
    let mut table = Table { x: Vec::new(), columns: 3, y: Vec::new() };
    for row in 0..4000 {
        let (first, second, third) = (normal(1, row), normal(2, row), normal(3, row));
        table.x.extend([1e9 + first, 1e-9 * second, 1e6 * third]);
        let probability = 1.0 / (1.0 + (5.0 - first - second).exp());
        table.y.push(if uniform(4, row) < probability { 1.0 } else { 0.0 });
    }
    let fitted = fit(&logistic(2, 0.0), &table).unwrap();
    let (coefficients, errors) = (numbers(&fitted, "coefficients"), numbers(&fitted, "standard_errors"));
    for (index, expected) in [1.0, 1e9, 0.0].iter().enumerate() {
        assert!((coefficients[index] - expected).abs() < 3.0 * errors[index], "{coefficients:?} {errors:?}");
    }
}
