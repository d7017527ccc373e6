//! Nearest pictures whose distances are worked out by hand.

use std::sync::Arc;

use super::*;
use crate::data::{Layout, Pass, PassOptions, PictureFolder};

fn grey(level: u8) -> Picture {
    Picture::filled(4, 4, [level; 3]).unwrap()
}

fn labelled(level: u8, class: u32) -> Labelled {
    Labelled { picture: grey(level), class }
}

/// Class a: 10, 20, 30, 40, 50; class b: 110, 111, 200. One file of a is broken.
fn training() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (class, levels) in [("a", &[10u8, 20, 30, 40, 50][..]), ("b", &[110, 111, 200])] {
        std::fs::create_dir(root.path().join(class)).unwrap();
        for level in levels {
            grey(*level).save_png(root.path().join(format!("{class}/{level}.png"))).unwrap();
        }
    }
    std::fs::write(root.path().join("a/25.png"), b"no picture").unwrap();
    root
}

fn pass(root: &std::path::Path, size: u32) -> Pass {
    let folder = Arc::new(PictureFolder::scan(root, Layout::Classes).unwrap());
    Pass::new(folder, &PassOptions { batch_size: 3, size, threads: 1, prefetch: 1 }).unwrap()
}

#[test]
fn the_nearest_of_the_same_class_is_found() {
    let root = training();
    let generated = vec![labelled(45, 0), labelled(33, 0), labelled(45, 1), labelled(200, 1)];
    let report = neighbours(generated, vec![labelled(14, 0)], pass(root.path(), 4)).unwrap();
    let told: Vec<_> = report.generated.iter().map(|pair| (pair.nearest.rgb()[0], pair.distance)).collect();
    // 45 is as near to 40 as to 50: the first. In class b the nearest to 45 is 110.
    assert_eq!(told, [(40, 5.0), (30, 3.0), (110, 65.0), (200, 0.0)]);
    // The items by name: 10 20 25 30 40 50 | 110 111 200.
    assert_eq!(report.generated.iter().map(|pair| pair.item).collect::<Vec<_>>(), [4, 3, 6, 8]);
    assert_eq!((report.heldout[0].distance, report.heldout[0].item, report.pictures), (4.0, 0, 8));
    assert_eq!((report.generated_median(), report.heldout_median()), (Some(5.0), Some(4.0)));
}

#[test]
fn the_distance_is_the_root_of_the_mean_square_and_colours_keep_their_places() {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("a")).unwrap();
    let near = Picture::new(2, 2, vec![3, 0, 0, 0, 4, 0, 0, 0, 0, 1, 2, 9]).unwrap();
    near.save_png(root.path().join("a/1.png")).unwrap();
    let black = Labelled { picture: Picture::filled(2, 2, [0; 3]).unwrap(), class: 0 };
    let report = neighbours(vec![black], Vec::new(), pass(root.path(), 2)).unwrap();
    // (9 + 16 + 1 + 4 + 81) / 12 = 9.25
    assert_eq!(report.generated[0].distance, 9.25f64.sqrt());
    assert_eq!(report.generated[0].nearest, near);
    assert_eq!(report.heldout_median(), None);
}

#[test]
fn squares_are_exact_over_several_parts() {
    let (black, white) = (vec![0; 2500], vec![255; 2500]);
    assert_eq!(squares_below(&black, &white, u64::MAX), Some(2500 * 255 * 255));
    assert_eq!(squares_below(&black, &white, 2500 * 255 * 255), None);
    assert_eq!(squares_below(&black, &black, 1), Some(0));
}

#[test]
fn a_drawing_shows_pairs_of_both_kinds() {
    let root = training();
    let generated = vec![labelled(45, 0), labelled(33, 0), labelled(10, 0)];
    let report = neighbours(generated.clone(), vec![labelled(14, 0)], pass(root.path(), 4)).unwrap();
    let two = report.draw("Neighbours", 2).unwrap();
    assert!(report.draw("Neighbours", 3).unwrap().width() >= two.width());
    let alone = neighbours(generated, Vec::new(), pass(root.path(), 4)).unwrap();
    assert!(alone.draw("Neighbours", 2).unwrap().height() < two.height());
}

#[test]
fn what_cannot_be_compared_is_refused() {
    // The first batch is 10, 20 and the broken file.
    let root = training();
    let refused =
        |generated, size| neighbours(generated, Vec::new(), pass(root.path(), size)).unwrap_err().to_string();
    assert!(refused(Vec::new(), 4).contains("at least one picture"));
    assert!(
        refused(vec![labelled(1, 2)], 4).starts_with("training pictures of class 2: expected at least one")
    );
    assert!(refused(vec![labelled(1, 0)], 8).starts_with("training pictures: expected 2 of 4 × 4 pixels"));
    let wide = Labelled { picture: Picture::filled(4, 2, [0; 3]).unwrap(), class: 0 };
    assert!(refused(vec![wide], 4).contains("expected 4 × 4 pixels, found 4 × 2"));
}
