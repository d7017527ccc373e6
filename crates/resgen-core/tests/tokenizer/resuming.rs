//! Every step is a function of the weights, the seed and the step's number.

use std::path::Path;

use resgen_core::nn::parameters::fingerprint;
use resgen_core::tokenizer::image::Autoencoder;
use resgen_core::train::learner::Learner;
use resgen_core::train::log::ScalarTable;
use resgen_core::train::run::Outcome;
use resgen_core::train::tokenizer::TokenizerLearner;

use crate::Training;

const RUN: &str =
    "steps = 10\nbatch = 8\nmicro_batches = 2\ncheckpoint_every = 4\nrate = { peak = 2e-3, warmup = 2 }";
const PLAIN: &str = "quantize_from = 3\n";
const OPPOSED: &str =
    "quantize_from = 3\n[adversarial]\nstart_step = 5\n[adversarial.discriminator]\nchannels = 4\nlayers = 2";

fn bits(learner: &TokenizerLearner<Autoencoder>) -> String {
    fingerprint(&learner.state())
}

fn log(folder: &Path) -> ScalarTable {
    ScalarTable::read(folder.join("log.csv")).unwrap()
}

#[test]
fn two_trainings_with_an_adversary_end_with_the_same_bits_on_any_number_of_threads() {
    let run = |losses, workers| {
        let folder = tempfile::tempdir().unwrap();
        let trained = Training { workers, ..Training::new(RUN, losses) }.run(folder.path());
        (bits(&trained.learner), log(folder.path()))
    };
    let (found, table) = run(OPPOSED, 1);
    assert_eq!(run(OPPOSED, 2).0, found);
    assert_ne!(run(PLAIN, 2).0, found);
    // Steps are counted from 1 once they are done: the sixth is the first with an adversary.
    for column in ["adversarial", "discriminator", "adaptive_weight"] {
        let steps: Vec<u64> = table.series(column).into_iter().map(|(step, _)| step).collect();
        assert_eq!(steps, [6, 7, 8, 9, 10], "{column}");
    }
}

#[test]
fn a_stopped_and_resumed_training_ends_with_the_same_bits() {
    let whole_folder = tempfile::tempdir().unwrap();
    let whole = Training::new(RUN, OPPOSED).run(whole_folder.path());
    // Before k-means, after it, and with a discriminator that has moments.
    for stop in [3, 4, 7] {
        let folder = tempfile::tempdir().unwrap();
        let training = Training { stop_at: Some(stop), ..Training::new(RUN, OPPOSED) };
        assert_eq!(training.run(folder.path()).outcome, Outcome::Stopped { step: stop });
        let resumed = Training { stop_at: None, ..training }.run(folder.path());
        assert!(resumed.notes.contains(&format!("going on from step {stop}")), "{:?}", resumed.notes);
        assert_eq!(bits(&resumed.learner), bits(&whole.learner), "stopped at {stop}");
        assert_eq!(log(folder.path()), log(whole_folder.path()), "stopped at {stop}");
    }
}

#[test]
fn a_broken_batch_is_left_out_and_training_goes_on() {
    // At k-means, in its first step, before the adversary and with it; each with the checkpoint before.
    for (broken, back) in [(3, 0), (4, 4), (6, 4), (9, 8)] {
        let folder = tempfile::tempdir().unwrap();
        let mut training = Training::new(RUN, OPPOSED);
        training.source.broken = Some(broken);
        let trained = training.run(folder.path());
        let Outcome::Finished { skipped, .. } = trained.outcome else { panic!("{:?}", trained.outcome) };
        assert_eq!(skipped, [broken]);
        let text = format!("at step {broken}: back to step {back}");
        assert!(trained.notes.iter().any(|note| note.contains(&text)), "{:?}", trained.notes);
        for (name, data) in trained.learner.state() {
            assert!(data.iter::<f32>().all(f32::is_finite), "{name}");
        }
        let steps: Vec<u64> = log(folder.path()).rows().iter().map(|row| row.step).collect();
        let expected: Vec<u64> = (1..=10).filter(|step| *step != broken + 1).collect();
        assert_eq!(steps, expected);
    }
}
