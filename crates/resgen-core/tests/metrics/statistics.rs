use resgen_core::eval::distribution::{
    Moments, Rows, ScoreSplits, frechet_distance, kernel_distance, precision_and_recall,
};

use super::{Golden, assert_near};

fn golden() -> Golden {
    Golden::load("metrics-statistics.safetensors")
}

fn rows(golden: &Golden, name: &str) -> Rows {
    let (shape, values) = golden.floats(name);
    Rows::new(values, shape[1]).unwrap()
}

fn moments(rows: &Rows) -> Moments {
    let mut moments = Moments::new(rows.width());
    moments.add(rows.values()).unwrap();
    moments
}

#[test]
fn moments_are_those_of_numpy() {
    let golden = golden();
    let found = moments(&rows(&golden, "a"));
    let pairs = [(found.mean().to_vec(), "mean.a"), (found.covariance().unwrap(), "covariance.a")];
    for (found, name) in pairs {
        let expected = golden.doubles(name);
        assert_eq!(found.len(), expected.len());
        found.iter().zip(&expected).for_each(|(a, b)| assert_near(*a, *b, 1e-12 * b.abs().max(1.0), name));
    }
}

#[test]
fn frechet_distances_are_those_of_pytorch_fid() {
    let golden = golden();
    let of = |name| moments(&rows(&golden, name));
    let found = frechet_distance(&of("a"), &of("b")).unwrap();
    assert_near(found, golden.number("fid.a-b"), 1e-10, "a to b");
    assert_near(frechet_distance(&of("a"), &of("a")).unwrap(), 0.0, 1e-10, "a to itself");
    // Fewer rows than columns: the root of a singular product costs digits, pytorch-fid's some of them too.
    let found = frechet_distance(&of("few"), &of("b")).unwrap();
    assert_near(found, golden.number("fid.few-b.exact"), 2e-6, "few to b");
    assert_near(found, golden.number("fid.few-b"), 2e-6, "few to b by pytorch-fid");
}

#[test]
fn kernel_distances_are_those_of_torch_fidelity() {
    let golden = golden();
    let (a, b) = (rows(&golden, "a"), rows(&golden, "b"));
    let as_many = Rows::new(a.values()[..b.values().len()].to_vec(), a.width()).unwrap();
    let found = |a: &Rows| kernel_distance(a, &b, 10).unwrap().value;
    assert_near(found(&as_many), golden.number("kid.a-b"), 1e-10, "equal numbers");
    assert_near(found(&a), golden.number("kid.uneven"), 1e-10, "unequal numbers");
}

#[test]
fn precision_and_recall_are_those_of_torch_fidelity() {
    let golden = golden();
    let [precision, recall] = precision_and_recall(&rows(&golden, "a"), &rows(&golden, "b"), 3).unwrap();
    assert_near(precision.value, golden.number("precision.a-b"), 1e-12, "precision");
    assert_near(recall.value, golden.number("recall.a-b"), 1e-12, "recall");
}

#[test]
fn inception_scores_are_those_of_torch_fidelity() {
    let golden = golden();
    let (shape, logits) = golden.floats("logits");
    let mut splits = ScoreSplits::new(shape[1], 5, shape[0]).unwrap();
    logits.chunks(7 * shape[1]).for_each(|batch| splits.add(batch).unwrap());
    let found = splits.score().unwrap();
    assert_near(found.value, golden.number("isc.mean"), 1e-12, "mean");
    // torch-fidelity gives the deviation of the splits, divided by their number; ours is the error of their mean.
    let deviation = found.standard_error.unwrap() * 2.0;
    assert_near(deviation, golden.number("isc.std"), 1e-12, "deviation");
}
