use super::*;
use crate::random::{Purpose, normal, stream, uniform};

fn noise(seed: u64, count: usize, width: usize, shift: f32) -> Rows {
    let mut rng = stream(seed, Purpose::Synthetic, 0, 0);
    let values = (0..count * width).map(|_| normal(&mut rng) + shift).collect();
    Rows::new(values, width).unwrap()
}

fn moments(rows: &Rows) -> Moments {
    let mut moments = Moments::new(rows.width());
    moments.add(rows.values()).unwrap();
    moments
}

fn assert_near(found: f64, expected: f64, tolerance: f64) {
    assert!((found - expected).abs() <= tolerance, "{found}, not {expected}");
}

#[test]
fn batches_give_the_moments_of_the_whole_far_from_zero_too() {
    let rows = noise(1, 101, 5, 1e4);
    let whole = moments(&rows);
    let mut grouped = GroupedMoments::new(5, 4);
    for batch in rows.values().chunks(7 * 5) {
        grouped.add(batch).unwrap();
    }
    let joined = grouped.whole();
    assert_eq!(joined.count(), 101);
    for (a, b) in
        [(joined.mean(), whole.mean()), (&joined.covariance().unwrap(), &whole.covariance().unwrap())]
    {
        a.iter().zip(b).for_each(|(a, b)| assert_near(*a, *b, 1e-9 * b.abs().max(1.0)));
    }
    // Row 8 is in the first group, wherever batches end.
    let first: Vec<f32> = rows.values().chunks(5).step_by(4).flatten().copied().collect();
    let mut expected = Moments::new(5);
    let others = rows.values().chunks(5).enumerate().filter(|(row, _)| row % 4 != 0);
    expected.add(&others.flat_map(|(_, row)| row).copied().collect::<Vec<f32>>()).unwrap();
    let without_first = grouped.without_each().next().unwrap();
    assert_eq!(without_first.count() as usize, 101 - first.len() / 5);
    without_first.mean().iter().zip(expected.mean()).for_each(|(a, b)| assert_near(*a, *b, 1e-8));
}

#[test]
fn the_distance_of_independent_coordinates_is_known() {
    let diagonal = |mean: [f64; 3], spread: [f64; 3]| {
        let covariance = (0..9).map(|place| if place % 4 == 0 { spread[place / 4] } else { 0.0 }).collect();
        Moments::from_statistics(mean.to_vec(), covariance).unwrap()
    };
    let (a, b) = (diagonal([0.0, 1.0, 2.0], [4.0, 1.0, 0.0]), diagonal([3.0, 1.0, 2.0], [1.0, 9.0, 0.25]));
    // 9 + (2 − 1)² + (1 − 3)² + (0 − 0.5)²
    assert_near(frechet_distance(&a, &b).unwrap(), 14.25, 1e-9);
    assert_near(frechet_distance(&a, &a).unwrap(), 0.0, 1e-9);
}

#[test]
fn statistics_of_a_file_are_checked() {
    let text = |mean: Vec<f64>, covariance: Vec<f64>| {
        Moments::from_statistics(mean, covariance).unwrap_err().to_string()
    };
    assert!(text(vec![0.0; 2], vec![1.0; 3]).contains("covariance: expected 2 × 2, found 3 numbers"));
    assert!(text(vec![f64::NAN, 0.0], vec![1.0; 4]).contains("not finite"));
    assert!(text(vec![0.0; 2], vec![1.0, 0.5, 0.0, 1.0]).contains("not symmetric"));
}

#[test]
fn features_are_checked() {
    assert!(Rows::new(vec![0.0; 5], 2).unwrap_err().to_string().contains("rows of 2"));
    let text = Rows::new(vec![0.0, 1.0, 2.0, f32::NAN], 2).unwrap_err().to_string();
    assert!(text.contains("row 1, column 1 is NaN"), "{text}");
    let (narrow, wide) = (noise(1, 9, 3, 0.0), noise(1, 9, 4, 0.0));
    for text in [
        frechet_distance(&moments(&narrow), &moments(&wide)).unwrap_err().to_string(),
        kernel_distance(&narrow, &wide, 3).unwrap_err().to_string(),
        precision_and_recall(&narrow, &wide, 3).unwrap_err().to_string(),
    ] {
        assert!(text.contains("width of the features: expected"), "{text}");
    }
    let one = noise(1, 1, 3, 0.0);
    assert!(moments(&one).covariance().unwrap_err().to_string().contains("at least 2"));
    assert!(kernel_distance(&one, &narrow, 3).is_err());
    assert!(precision_and_recall(&noise(1, 3, 3, 0.0), &narrow, 3).is_err());
}

/// The unbiased estimate, written out.
fn plain_kernel_distance(a: &Rows, b: &Rows) -> f64 {
    let width = a.width();
    let kernel = |x: &[f32], y: &[f32]| {
        let product: f64 = x.iter().zip(y).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum();
        (product / width as f64 + 1.0).powi(3)
    };
    let within = |rows: &Rows| {
        let rows: Vec<&[f32]> = rows.values().chunks(width).collect();
        let pairs =
            (0..rows.len()).flat_map(|i| (0..rows.len()).map(move |j| (i, j))).filter(|(i, j)| i != j);
        pairs.map(|(i, j)| kernel(rows[i], rows[j])).sum::<f64>() / (rows.len() * (rows.len() - 1)) as f64
    };
    let across: f64 =
        a.values().chunks(width).flat_map(|x| b.values().chunks(width).map(move |y| kernel(x, y))).sum();
    within(a) + within(b) - 2.0 * across / (a.count() * b.count()) as f64
}

#[test]
fn the_kernel_distance_is_the_sum_written_out() {
    let (a, b) = (noise(1, 530, 3, 0.0), noise(2, 21, 3, 0.5));
    for groups in [1, 4] {
        let found = kernel_distance(&a, &b, groups).unwrap();
        assert_near(found.value, plain_kernel_distance(&a, &b), 1e-9);
        assert_eq!(found.standard_error.is_some(), groups > 1);
    }
    // The jackknife's error is that of leaving groups out one by one.
    let a = noise(3, 20, 3, 0.0);
    let without = |group: usize| {
        let rows = a.values().chunks(3).enumerate().filter(|(row, _)| row % 4 != group);
        plain_kernel_distance(&Rows::new(rows.flat_map(|(_, row)| row).copied().collect(), 3).unwrap(), &b)
    };
    let expected = jackknife(0.0, &(0..4).map(without).collect::<Vec<f64>>()).standard_error.unwrap();
    assert_near(kernel_distance(&a, &b, 4).unwrap().standard_error.unwrap(), expected, 1e-9);
}

#[test]
fn precision_and_recall_by_hand() {
    let line = |points: &[f32]| Rows::new(points.to_vec(), 1).unwrap();
    // With one neighbour the reference's balls are [−1, 1], [0, 2], [1, 3] and [3, 17]: its points are 0, 1, 2 and 10.
    let reference = line(&[0.0, 1.0, 2.0, 10.0]);
    // The samples' are [1.5, 2.5], [1.5, 3.5 − 0] and so on: 2, 2.5 and 30 with radii 0.5, 0.5 and 27.5.
    let samples = line(&[2.0, 2.5, 30.0]);
    let [precision, recall] = precision_and_recall(&samples, &reference, 1).unwrap();
    assert_near(precision.value, 2.0 / 3.0, 1e-12);
    // 2 and 10 lie within a ball of the samples.
    assert_near(recall.value, 0.5, 1e-12);
    // Many blocks give what one gives.
    let many = noise(4, 700, 2, 0.0);
    let [precision, recall] = precision_and_recall(&many, &many, 3).unwrap();
    assert_eq!((precision.value, recall.value), (1.0, 1.0));
    let far = noise(5, 600, 2, 100.0);
    let [precision, recall] = precision_and_recall(&far, &many, 3).unwrap();
    assert_eq!((precision.value, recall.value), (0.0, 0.0));
}

#[test]
fn inception_scores_by_hand() {
    // Each split sees one sure sample of each of two classes: the score is the number of classes.
    let mut splits = ScoreSplits::new(2, 2, 4).unwrap();
    splits.add(&[50.0, 0.0, 0.0, 50.0]).unwrap();
    splits.add(&[50.0, 0.0, 0.0, 50.0]).unwrap();
    assert_near(splits.score().unwrap().value, 2.0, 1e-9);
    // Sorted by class, each split sees one class alone.
    let mut splits = ScoreSplits::new(2, 2, 4).unwrap();
    splits.add(&[50.0, 0.0, 50.0, 0.0, 0.0, 50.0, 0.0, 50.0]).unwrap();
    assert_near(splits.score().unwrap().value, 1.0, 1e-9);
    assert!(splits.add(&[0.0, 0.0]).is_err());
    assert!(ScoreSplits::new(2, 5, 4).is_err());
    assert!(ScoreSplits::new(2, 2, 4).unwrap().score().is_err());
}

#[test]
fn intervals_hold_the_truth_about_as_often_as_they_say() {
    // The mean of normal numbers by a jackknife over ten groups.
    let tries = 400;
    let holds = (0..tries)
        .filter(|&seed| {
            let rows = noise(seed, 50, 1, 0.0);
            let groups: Vec<f64> = (0..10)
                .map(|group| {
                    let others = rows.values().iter().enumerate().filter(|(row, _)| row % 10 != group);
                    others.map(|(_, value)| f64::from(*value)).sum::<f64>() / 45.0
                })
                .collect();
            let mean = rows.values().iter().map(|value| f64::from(*value)).sum::<f64>() / 50.0;
            let [low, high] = jackknife(mean, &groups).interval.unwrap();
            low <= 0.0 && 0.0 <= high
        })
        .count();
    assert!((360..=396).contains(&holds), "{holds} of {tries}");
    let holds = (0..tries)
        .filter(|&seed| {
            let mut rng = stream(seed, Purpose::Synthetic, 1, 0);
            let hits = (0..60).filter(|_| uniform(&mut rng) < 0.9).count();
            let [low, high] = Estimate::share(hits as f64 / 60.0, 60).interval.unwrap();
            low <= 0.9 && 0.9 <= high
        })
        .count();
    assert!((360..=396).contains(&holds), "{holds} of {tries}");
}
